package predlog

import (
	"fmt"
	"math"
	"testing"
)

// TestMigration: a log that an earlier release wrote has all its answers afterwards, with what they lack unknown.
func TestMigration(t *testing.T) {
	dir := t.TempDir()
	db := openRaw(t, dir)
	for _, text := range []string{
		migrations[0], fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 1", applicationID),
		`INSERT INTO models (name, version, labels) VALUES ('pets', '1', '["cat","dog","hamster"]')`,
		`INSERT INTO predictions (time, model, request_id, class, confidence, entropy, top) VALUES (1700000000000, 1, 'old', 1, 0.5, 0.25, '[]')`,
		`INSERT INTO feedback (prediction, class, time) VALUES (1, 2, 1700000000000)`,
	} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenReader(dir); err == nil {
		t.Error("an older log was opened for reading before it was brought up to date")
	}
	l := open(t, Config{Dir: dir})
	l.Record(answerTo(1))
	mustClose(t, l)
	all := read(t, dir)
	if len(all) != 2 || all[0].RequestID != "old" || all[0].TrueClass != 2 || !math.IsNaN(float64(all[0].OOD)) || all[0].Shadow || all[1].OOD != 1.0/16 {
		t.Errorf("got %+v", all)
	}
	var label, truth string
	if err := db.QueryRow("SELECT label, true_label FROM answers WHERE ood IS NULL").Scan(&label, &truth); err != nil || label != "dog" || truth != "hamster" {
		t.Errorf("the view says %q, %q, %v", label, truth, err)
	}
}
