// Package predlog keeps the answers of served models in an SQLite database, or in PostgreSQL, for those who watch the models: the detectors of
// drift, live accuracy, and people with sqlite3 or psql.
//
// # What is promised
//
// An answer that is recorded costs its request a copy of some 200 bytes into a queue and never a wait: when the queue is full the
// answer is dropped and counted. A goroutine writes what waits, once in Config.Interval or when much has come, as one
// transaction. So:
//
//   - A label (Feedback) is acknowledged when its transaction is on the disk (WAL, synchronous=FULL: the log is synced before
//     Feedback returns). It survives kill -9 and loss of power.
//   - An answer is never acknowledged. Kill -9 and loss of power lose the answers of the last Interval at most, and those
//     that wait while the disk is slower than they come. Close loses none.
//   - What is committed stays whole: an answer with its vectors and its picture is one transaction.
//   - A label for an answer that still waits is no error: the writer stores what waits before it looks for the answer.
//
// Labels that come at the same time share a transaction, so many callers wait for one sync of the disk.
//
// # What may fail
//
// A full disk, a read-only one, one that hangs, and a database that another process holds: what waits is kept, the queue fills, and
// what does not fit is dropped and counted; the writer tries again, at longer and longer intervals, up to ten seconds. Labels are
// refused meanwhile (monitor.ErrUnavailable), at once, or when their caller's context ends. A damaged database is moved aside, under a name that tells when, and a new one
// is begun.
//
// Several processes on one machine may write to one log. A file system that is shared over a network will not do: SQLite's WAL
// needs memory that they share. Processes on several machines share a log in PostgreSQL (Config.DSN).
//
// # PostgreSQL
//
// All of the above holds there, too: the writer, its queue and its retries are the same, and what differs is behind the interface database. A
// label is acknowledged when it is committed with synchronous_commit=on. A server that is gone or hangs is what a full or a hanging disk
// is; see pgDatabase for what happens when it goes in the middle of a commit, and for how several writers keep ids in order. Damage is the affair of
// whoever runs the server, and so is when deleted rows are overwritten.
package predlog
