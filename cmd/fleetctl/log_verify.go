package main

import (
	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/wal"
)

// logReport is what verify prints.
type logReport struct {
	Dir     string `json:"dir"`
	Sound   bool   `json:"sound"`
	First   uint64 `json:"first_segment"`
	Last    uint64 `json:"last_segment"`
	End     int64  `json:"end"`  // offset in the last segment where the log ends
	Torn    bool   `json:"torn"` // behind it lies the rest of a write that was never reported done; no damage
	Spares  int    `json:"spares"`
	Records uint64 `json:"records"`
	Bytes   int64  `json:"bytes"`
	Members int    `json:"members"`
	Damage  string `json:"damage,omitempty"` // the numbers reach up to it
}

func newLogVerify(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Check the log in a data folder, offline; the exit code is 5 if it is damaged",
		Long: "verify reads all of the log in the data folder of a node that does not run, down to every entry. It\n" +
			"changes nothing and locks nothing.",
		Args:              arguments("DIR"),
		ValidArgsFunction: completeFolder,
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := findLog(args[0])
			if err != nil {
				return err
			}
			var found wal.Report
			err = f.read(func(dir string, o wal.Options) (err error) {
				found, err = wal.Verify(dir, o)
				return logError(err)
			})
			if err != nil && (!isDamage(err) || found.First == 0) {
				return err
			}
			r := logReport{
				Dir: f.dir, Sound: err == nil, First: found.First, Last: found.Last, End: found.End, Torn: found.Torn,
				Spares: found.Spares, Records: found.Records, Bytes: found.Bytes, Members: found.Members,
			}
			if err != nil {
				r.Damage = err.Error()
			}
			if printed := a.printReport(&r); printed != nil {
				return printed
			}
			return err
		},
	}
}

func (a *app) printReport(r *logReport) error {
	if a.json() {
		return a.printJSON(r)
	}
	g := &grid{header: []string{"FACT", "VALUE"}}
	g.add("log", r.Dir)
	g.add("sound", yesNo(r.Sound))
	g.add("first segment", r.First)
	g.add("last segment", r.Last)
	g.add("end", r.End)
	g.add("torn write cut", yesNo(r.Torn))
	g.add("spare segments", r.Spares)
	g.add("records", r.Records)
	g.add("bytes", r.Bytes)
	g.add("members", r.Members)
	return a.printGrid(g)
}
