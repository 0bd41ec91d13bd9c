package main

import (
	"net"
	"os"
)

// notify tells systemd what the service does, as sd_notify(3) describes; without
// a NOTIFY_SOCKET nobody asked. A failure to tell changes nothing for the node.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' { // an abstract socket
		path = "\x00" + path[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	conn.Write([]byte(state))
}
