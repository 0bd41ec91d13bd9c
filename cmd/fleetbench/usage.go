package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// usage is what a process has used so far.
type usage struct {
	At   time.Time     `json:"at"`
	CPU  time.Duration `json:"cpu"`
	RSS  int64         `json:"rss"`  // resident bytes, 0 where the system does not tell
	Heap int64         `json:"heap"` // live bytes after a collection, where one was asked for
}

func usageNow(collect bool) usage {
	u := usage{At: time.Now(), CPU: cpuTime(), RSS: residentBytes()}
	if collect {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		u.Heap = int64(m.HeapAlloc)
	}
	return u
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// diskUse adds up the blocks of all files below a folder.
func diskUse(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // what has just been removed uses nothing
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += int64(s.Blocks) * 512
		} else {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}
