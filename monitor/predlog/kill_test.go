package predlog

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

const writerVariable = "TORCHLIT_TEST_PREDLOG_WRITER"

// writeUntilKilled records answers as fast as they are taken and labels some of them. It writes a line for each label that was acknowledged, and for
// how many answers are said to be stored.
func writeUntilKilled(dir string) {
	first, _ := strconv.Atoi(os.Getenv(writerVariable + "_FIRST"))
	pause, err := time.ParseDuration(os.Getenv(writerVariable + "_PAUSE"))
	if err != nil {
		pause = 200 * time.Microsecond
	}
	l, err := Open(Config{Dir: dir, Interval: 5 * time.Millisecond, Vectors: 1, Report: func(what string, err error) { fmt.Println("report", what, err) }})
	if err != nil {
		fmt.Println("report", err)
		os.Exit(1)
	}
	for n := first; ; n++ {
		l.Record(answerTo(n))
		if n%50 != 0 {
			continue
		}
		go func() {
			v, err := l.Feedback(context.Background(), "pets", []monitor.Label{{RequestID: answerTo(n).RequestID, Index: n % 3}})
			if err == nil && v[0].Err == nil {
				fmt.Println("label", n)
			}
			fmt.Println("stored", l.Counts().Records)
		}()
		time.Sleep(pause)
	}
}

// TestKill ends a process with SIGKILL in the middle of its writes, again and again on one log: it opens again, every label that was
// acknowledged is there, no fewer answers than were said to be stored, and each is whole.
func TestKill(t *testing.T) { killManyTimes(t, 30) }

func killManyTimes(t *testing.T, times int) {
	dir := t.TempDir()
	labelled, stored := map[int]bool{}, 0
	first := 0
	for round := range times {
		said := runAndKill(t, dir, first, time.Duration(20+rand.IntN(100))*time.Millisecond)
		most := 0
		for _, line := range said {
			word, number, _ := strings.Cut(line, " ")
			n, err := strconv.Atoi(number)
			switch {
			case err != nil: // cut off by the kill, unless it is a report
				if word == "report" {
					t.Fatal(line)
				}
			case word == "label":
				labelled[n] = true
			case word == "stored":
				most = max(most, n)
			}
		}
		stored += most
		l, err := Open(Config{Dir: dir, Report: func(what string, err error) { t.Fatal(what, err) }})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		mustClose(t, l)
		first += 1 << 20
	}
	all := read(t, dir)
	got := map[string]int{}
	for _, s := range all {
		if err := whole(s); err != nil {
			t.Fatal(err)
		}
		got[s.RequestID] = s.TrueClass
	}
	for n := range labelled {
		if class, ok := got["r"+strconv.Itoa(n)]; !ok || class != n%3 {
			t.Errorf("the acknowledged label of r%d is lost", n)
		}
	}
	if len(all) < stored {
		t.Errorf("%d answers were stored, %d are there", stored, len(all))
	}
	if len(labelled) < times {
		t.Errorf("only %d labels were acknowledged in %d rounds: nothing was tested", len(labelled), times)
	}
	t.Logf("killed %d times: %d answers, %d acknowledged labels, all there and whole", times, len(all), len(labelled))
}

// runAndKill starts a writer and kills it some time after its first acknowledged label. It returns what the writer said.
func runAndKill(t *testing.T, dir string, first int, after time.Duration) (lines []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerVariable+"="+dir, writerVariable+"_FIRST="+strconv.Itoa(first))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killing := false
	var timer *time.Timer
	in := bufio.NewScanner(out)
	for in.Scan() {
		lines = append(lines, in.Text())
		if !killing {
			killing = true
			timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait()
	if timer == nil {
		t.Fatal("the writer said nothing")
	}
	timer.Stop()
	return lines
}
