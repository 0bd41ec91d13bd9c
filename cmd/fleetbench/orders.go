package main

import "time"

// A child is one node of the measured fleet. It is told what to do by lines of JSON
// on its standard input and answers each with one line on its standard output; it
// ends, and removes its folder, when its standard input does.
const childCommand = "child-of-fleetbench"

// order is what the parent wants of a child. Do says which of the fields count.
type order struct {
	Do string `json:"do"`

	// open: be an active node.
	Name string   `json:"name,omitempty"`
	Dir  string   `json:"dir,omitempty"`
	Join []string `json:"join,omitempty"`

	// settled: wait until so many nodes are active and the catalogue is spread.
	// add: add so many groups. spread: let all nodes lead equally many of them.
	// serve: wait until so many members here answer.
	Processes int `json:"processes,omitempty"`
	Groups    int `json:"groups,omitempty"`

	// drive: run closed-loop clients.
	Load     *load         `json:"load,omitempty"`
	Duration time.Duration `json:"duration,omitempty"`
	Warmup   time.Duration `json:"warmup,omitempty"`
	// drive, begin: what to profile from then until the time is over, or until end.
	Profiles profiles `json:"profiles,omitzero"`

	// probe: call every group again and again; killed: a process was killed just
	// now, answer when every group has answered since.
	Victim string `json:"victim,omitempty"`
}

// report is what a child answers.
type report struct {
	Error   string `json:"error,omitempty"`
	Gossip  string `json:"gossip,omitempty"`
	Leaders []int  `json:"leaders,omitempty"` // how many groups each node leads
	Groups  int    `json:"groups,omitempty"`
	Usage   usage  `json:"usage,omitzero"`

	Seconds    float64 `json:"seconds,omitempty"`
	CPUSeconds float64 `json:"cpu_seconds,omitempty"`
	Errors     int64   `json:"errors,omitempty"`
	FirstError string  `json:"first_error,omitempty"`
	Latencies  []int64 `json:"latencies,omitempty"` // as histogram.sparse gives them

	// The longest time for which each group did not answer, in seconds: those that
	// the victim led, and the others.
	Led    []float64 `json:"led,omitempty"`
	Others []float64 `json:"others,omitempty"`
}
