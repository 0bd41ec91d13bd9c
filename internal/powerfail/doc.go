// Package powerfail proves on a real file system what internal/wal and
// internal/store promise of a loss of power. It holds tests only, for Linux and
// root:
//
//	RAFTFLEET_POWERFAIL=1 go test -count=1 -v ./internal/powerfail
//
// takes 90 seconds; RAFTFLEET_POWERFAIL=10m takes ten minutes. RAFTFLEET_SEED
// repeats the order of a child's work, though not the moments of the failures.
//
// A data folder lives on an ext4 image on a loop device. A child process writes to
// log, snapshots and database as a node does, tells what it begins and what was
// reported durable. At some moment the file system is shut down by its own ioctl
// without a flush of the journal, which loses whatever was not synced; the child is
// killed, the image unmounted and mounted again. Then everything reported durable
// must be there, intact; what was only begun is there as a whole or not at all, in
// order. The next child goes on with the same folder. All of it is done with the
// journal as it is by default, and with fast commits.
//
// As a control, a log whose syncs do nothing must be found out.
package powerfail
