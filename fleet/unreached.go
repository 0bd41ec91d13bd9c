package fleet

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
)

// explainUnreached adds to an act that failed why no other node could be connected to,
// where that is so: an act whose time is over knows only that it waited.
func (n *Node) explainUnreached(err error) error {
	var why error
	for _, p := range n.wire.Peers() {
		if p.Calls.Connected {
			return err // there is somebody to talk to
		}
		if p.Calls.Err != nil {
			why = fmt.Errorf("no connection to node %s: %w", p.Node, p.Calls.Err)
		}
	}
	if why == nil {
		return err
	}
	if strings.Contains(err.Error(), errors.Unwrap(why).Error()) {
		return n.explainHangUp(why, err)
	}
	return n.explainHangUp(why, fmt.Errorf("%w; %w", err, why))
}

// explainHangUp says what is likely behind a connection that the other side closed
// before a word: one of the two speaks TLS and the other does not. No error of the
// connection can tell that.
func (n *Node) explainHangUp(why, err error) error {
	if !errors.Is(why, io.EOF) && !errors.Is(why, syscall.ECONNRESET) {
		return err
	}
	if n.cfg.TLS == nil {
		return fmt.Errorf("%w: the other node hung up before a word, as one does that speaks TLS: if the fleet uses TLS, set Config.TLS here too", err)
	}
	return fmt.Errorf("%w: the other node hung up before a word, as one does that does not speak TLS: set Config.TLS on all nodes or on none", err)
}
