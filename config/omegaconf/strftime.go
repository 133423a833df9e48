package omegaconf

import (
	"fmt"
	"strings"
	"time"
)

// strftime is C's, in the C locale: what ${now:%Y-%m-%d} takes. A directive that it
// does not know stays as it is.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		b.WriteString(directive(t, format[i]))
	}
	return b.String()
}

// layouts are the directives that Go's time package can write.
var layouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan",
	'd': "02", 'e': "_2", 'm': "01", 'y': "06", 'Y': "2006",
	'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'j': "002",
	'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06",
	'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05",
}

func directive(t time.Time, d byte) string {
	if layout, ok := layouts[d]; ok {
		return t.Format(layout)
	}
	week := func(first time.Weekday) int { return (t.YearDay() + 6 - int(t.Weekday()-first+7)%7) / 7 }
	year, isoWeek := t.ISOWeek()
	switch d {
	case '%':
		return "%"
	case 'z', 'Z': // the time has no zone
		return ""
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000)
	case 's':
		return fmt.Sprint(t.Unix())
	case 'w':
		return fmt.Sprint(int(t.Weekday()))
	case 'u':
		return fmt.Sprint((int(t.Weekday())+6)%7 + 1)
	case 'U':
		return fmt.Sprintf("%02d", week(time.Sunday))
	case 'W':
		return fmt.Sprintf("%02d", week(time.Monday))
	case 'G':
		return fmt.Sprint(year)
	case 'V':
		return fmt.Sprintf("%02d", isoWeek)
	}
	return "%" + string(d)
}
