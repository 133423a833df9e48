package detector

import "time"

// Alarm is what comes of windows in a row. One that drifts by chance is no reason to wake anybody: at a level of 5 % one in twenty
// does, three in a row one in 8,000.
type Alarm struct {
	Raised bool      `json:"raised"`
	Since  time.Time `json:"since"` // end of the window that raised it, or cleared it; zero before the first
	Row    int       `json:"row"`   // windows in a row that spoke for the other state
}

// Step tells the alarm of the next window, and returns whether that raised or cleared it. So many windows in a row that drift raise
// it, and so many that do not clear it.
func (a *Alarm) Step(drifted bool, until time.Time, inRow int) (changed bool) {
	if drifted == a.Raised {
		a.Row = 0
		return false
	}
	if a.Row++; a.Row < inRow {
		return false
	}
	*a = Alarm{Raised: drifted, Since: until}
	return true
}
