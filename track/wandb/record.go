package wandb

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// What stands in a .wandb file are messages of type wandb_internal.Record. Their
// field numbers are from wandb/proto/wandb_internal.proto and
// wandb_telemetry.proto in github.com/wandb/wandb, as of release 0.31.

// The kinds of a Record: the field that it holds besides its number.
const (
	kindHistory     protowire.Number = 2
	kindSummary     protowire.Number = 3
	kindFiles       protowire.Number = 6
	kindStats       protowire.Number = 7
	kindArtifact    protowire.Number = 8
	kindTelemetry   protowire.Number = 11
	kindMetric      protowire.Number = 12
	kindRun         protowire.Number = 17
	kindExit        protowire.Number = 18
	kindFinal       protowire.Number = 20
	kindHeader      protowire.Number = 21
	kindFooter      protowire.Number = 22
	kindEnvironment protowire.Number = 26
)

// Fields that several messages share.
const (
	itemKey       protowire.Number = 1  // of a ConfigItem, StatsItem, …
	itemNestedKey protowire.Number = 2  // of a HistoryItem or SummaryItem
	itemValue     protowire.Number = 16 // JSON, in which NaN and Infinity are allowed
)

// record is a Record of the given kind; num counts the records of a file from 1.
// Clients before 0.31 stop for ever at a run or exit record without the mailbox
// slot that W&B's client waits for an answer in.
func record(num int64, kind protowire.Number, content message) message {
	m := message{}.num(1, num).sub(kind, content)
	if kind == kindRun || kind == kindExit {
		m = m.sub(16, message{}.str(4, randomID(12)))
	}
	return m
}

// headerRecord names who wrote the file, and since which version it is readable.
func headerRecord(producer string) message {
	return message{}.sub(1, message{}.str(1, producer).str(2, "0.70.0"))
}

// pair is a name and its value as JSON.
type pair struct{ key, json string }

// items encodes pairs as the repeated field of items that history, summary,
// config and stats have; key is the item's field for the name.
func (m message) items(field, key protowire.Number, pairs []pair) message {
	for _, p := range pairs {
		m = m.sub(field, message{}.strs(key, []string{p.key}).str(itemValue, p.json))
	}
	return m
}

// runRecord describes the run: what `wandb sync` makes of it, or finds again.
func runRecord(s *settings, config []pair, host string, start time.Time, git gitState) message {
	m := message{}.str(1, s.id).str(2, s.entity).str(3, s.project).
		sub(4, message{}.items(1, itemKey, config)).
		str(6, s.group).str(7, s.jobType).str(8, s.name).str(9, s.notes).strs(10, s.tags).
		str(13, host).sub(17, timestamp(start)).sub(19, telemetryRecord(s))
	if git.commit != "" {
		m = m.sub(21, message{}.str(1, git.remote).str(2, git.commit))
	}
	return m.flag(24, s.resume)
}

// telemetryRecord says what the run uses of W&B.
func telemetryRecord(s *settings) message {
	feature := message{}.flag(4, true). // offline
						flag(5, s.resume).flag(13, s.name != "").flag(15, len(s.tags) > 0).flag(16, true).
						flag(61, true) // steps are given
	if len(s.summary) > 0 {
		feature = feature.flag(7, true).flag(63, true)
	}
	return message{}.sub(3, feature).str(13, platform())
}

// historyRecord is what was logged at a step.
func historyRecord(step int64, values []pair) message {
	return message{}.items(1, itemNestedKey, values).sub(2, message{}.num(1, step))
}

// summaryRecord replaces what the summary says of some names.
func summaryRecord(values []pair, runtime time.Duration) message {
	seconds := jsonInt(int64(runtime / time.Second))
	return message{}.items(1, itemNestedKey, values).
		sub(1, message{}.strs(itemNestedKey, []string{"_wandb", "runtime"}).str(itemValue, seconds))
}

// statsRecord is a sample of the system metrics.
func statsRecord(at time.Time, values []pair) message {
	return message{}.sub(2, timestamp(at)).items(3, itemKey, values)
}

// mediaRecord has `wandb sync` upload a file below files/.
func mediaRecord(path string) message {
	const typeMedia = 2
	return message{}.sub(1, message{}.str(1, path).num(3, typeMedia))
}

// metricRecord declares what the summary keeps of a metric.
func metricRecord(name string, keep aggregates) message {
	ops := message{}.flag(1, keep.has(opMin)).flag(2, keep.has(opMax)).flag(3, keep.has(opMean)).
		flag(5, keep.has(opLast)).flag(6, keep.has(opNone)).flag(8, keep.has(opFirst))
	const defined = 3
	return message{}.str(1, name).sub(6, message{}.flag(defined, true)).sub(7, ops)
}

// exitRecord ends the run.
func exitRecord(code int, runtime time.Duration) message {
	return message{}.num(1, int64(code)).num(2, int64(runtime/time.Second))
}
