package planner

import (
	"encoding/json"
	"time"
)

// pauseKey is the catalogue's setting that pauses the planner.
const pauseKey = "pause"

// Pause is an operator's word that nothing shall move.
type Pause struct {
	By     string    `json:"by"` // who; may be empty
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// Setting returns the pause as a setting of the catalogue.
func (p Pause) Setting() (key, text string) {
	b, err := json.Marshal(p)
	if err != nil {
		panic("planner: a pause of plain fields does not encode: " + err.Error()) // cannot happen
	}
	return pauseKey, string(b)
}

// Resumed returns the setting that ends a pause.
func Resumed() (key, text string) { return pauseKey, "" }

// PauseIn returns the pause that holds, nil if none. A pause that this program cannot
// read still pauses.
func PauseIn(settings map[string]string) *Pause {
	text, paused := settings[pauseKey]
	if !paused {
		return nil
	}
	var p Pause
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return &Pause{Reason: "a pause that this program cannot read: " + text}
	}
	return &p
}
