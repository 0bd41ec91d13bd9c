package main

import (
	"errors"
	"os"
	"runtime"
	"runtime/pprof"

	"github.com/spf13/pflag"
)

// profiles are the files that the first process writes of its measured time; an
// empty name means none.
type profiles struct {
	CPU   string `json:"cpu,omitempty"`
	Block string `json:"block,omitempty"`
	Mutex string `json:"mutex,omitempty"`
	Alloc string `json:"alloc,omitempty"`
}

func (p *profiles) flags(f *pflag.FlagSet) {
	f.StringVar(&p.CPU, "cpuprofile", "", "write where the first process spends CPU while measured to this file")
	f.StringVar(&p.Block, "blockprofile", "", "write where it waits")
	f.StringVar(&p.Mutex, "mutexprofile", "", "write where it contends for locks")
	f.StringVar(&p.Alloc, "memprofile", "", "write what it allocates, from the process's start on")
}

// also names the files of another measured time of the same run.
func (p profiles) also(what string) profiles {
	for _, file := range []*string{&p.CPU, &p.Block, &p.Mutex, &p.Alloc} {
		if *file != "" {
			*file += "." + what
		}
	}
	return p
}

// begin starts what is asked for and returns what ends it and writes the files.
func (p profiles) begin() (end func() error, err error) {
	if p.CPU != "" {
		f, err := os.Create(p.CPU)
		if err != nil {
			return nil, err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		defer func() {
			rest := end
			end = func() error {
				pprof.StopCPUProfile()
				return errors.Join(f.Close(), rest())
			}
		}()
	}
	if p.Block != "" {
		runtime.SetBlockProfileRate(10_000) // one sample for 10 µs blocked
	}
	if p.Mutex != "" {
		runtime.SetMutexProfileFraction(10)
	}
	return func() error {
		runtime.SetBlockProfileRate(0)
		runtime.SetMutexProfileFraction(0)
		return errors.Join(write("block", p.Block), write("mutex", p.Mutex), write("allocs", p.Alloc))
	}, nil
}

func write(profile, file string) error {
	if file == "" {
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(profile).WriteTo(f, 0), f.Close())
}
