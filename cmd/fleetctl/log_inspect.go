package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/wal"
)

// logContents is what inspect prints.
type logContents struct {
	Dir     string         `json:"dir"`
	Members []loggedMember `json:"members"`
	Damage  string         `json:"damage,omitempty"` // the members are as of before it
}

func newLogInspect(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect DIR",
		Short: "Show what the log in a data folder holds of each member, offline",
		Long: "inspect reads the log in the data folder of a node that does not run, and shows for each member its\n" +
			"term, its vote, what it knows to be committed, and which entries it has. It changes nothing and locks\n" +
			"nothing. Of a log that is damaged it shows what comes before the damage; the exit code is 5 then.",
		Args:              arguments("DIR"),
		ValidArgsFunction: completeFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := findLog(args[0])
			if err != nil {
				return err
			}
			c := logContents{Dir: f.dir}
			err = f.read(func(dir string, o wal.Options) (err error) {
				c.Members, err = foldLog(cmd.Context(), dir, o)
				return logError(err)
			})
			if err != nil {
				if !isDamage(err) || c.Members == nil {
					return err
				}
				c.Damage = err.Error()
			}
			if printed := a.printContents(&c); printed != nil {
				return printed
			}
			return err
		},
	}
}

func (a *app) printContents(c *logContents) error {
	if a.json() {
		return a.printJSON(c)
	}
	g := &grid{header: []string{"GROUP", "MEMBER", "TERM", "VOTE", "COMMIT", "BASE", "LAST INDEX", "ENTRIES", "BYTES"}}
	for _, m := range c.Members {
		vote := ""
		if m.Vote != 0 {
			vote = fmt.Sprint(m.Vote)
		}
		g.add(m.Group, m.Member, m.Term, vote, m.Commit, m.Base, m.LastIndex, m.Entries, m.Bytes)
	}
	return a.printGrid(g)
}

// isDamage tells an error before which what was read counts.
func isDamage(err error) bool {
	f, ok := err.(*failure)
	return ok && f.code == exitUnhealthy
}

// completeFolder leaves completion to the shell.
func completeFolder(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}
