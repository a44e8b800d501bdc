package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// Event is something QEMU reports about the machine: its QMP name ("RESET",
// "SHUTDOWN", "WATCHDOG") and, for SHUTDOWN and RESET, the reason
// ("guest-reset", "guest-shutdown", "host-qmp-quit", ...).
type Event struct {
	Name   string
	Guest  bool // the guest caused it
	Reason string
}

// qmp is the control connection to QEMU (QEMU Machine Protocol, JSON).
type qmp struct {
	conn net.Conn
	dec  *json.Decoder
}

type qmpMessage struct {
	QMP    json.RawMessage `json:"QMP"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
	Data  struct {
		Guest  bool   `json:"guest"`
		Reason string `json:"reason"`
	} `json:"data"`
}

var errQMP = errors.New("QEMU's control connection speaks no QMP")

func newQMP(conn net.Conn) *qmp { return &qmp{conn: conn, dec: json.NewDecoder(conn)} }

// greet takes QEMU's greeting and ends the negotiation; events flow after it.
func (q *qmp) greet(ctx context.Context) error {
	defer q.bound(ctx)()
	var m qmpMessage
	if err := q.dec.Decode(&m); err != nil {
		return err
	}
	if m.QMP == nil {
		return errQMP
	}
	return q.command("qmp_capabilities", nil)
}

// cont lets the CPU run. Events that come before its answer go to event.
func (q *qmp) cont(ctx context.Context, event func(Event)) error {
	defer q.bound(ctx)()
	return q.command("cont", event)
}

// bound makes reads and writes fail once ctx is done, until the function it
// returns is called.
func (q *qmp) bound(ctx context.Context) func() {
	stop := context.AfterFunc(ctx, func() { q.conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

// send sends a command with arguments, a JSON object. Its answer is for command, or
// events, to read.
func (q *qmp) send(name, arguments string) error {
	// No newline: QEMU would leave it unread, and a socket closed with bytes
	// unread resets the connection.
	_, err := fmt.Fprintf(q.conn, `{"execute":%q,"arguments":%s}`, name, arguments)
	return err
}

func (q *qmp) command(name string, event func(Event)) error {
	if err := q.send(name, "{}"); err != nil {
		return err
	}
	for {
		var m qmpMessage
		if err := q.dec.Decode(&m); err != nil {
			return err
		}
		switch {
		case m.Error != nil:
			return fmt.Errorf("QEMU refused %s: %s", name, m.Error.Desc)
		case m.Event != "" && event != nil:
			event(m.event())
		case m.Return != nil:
			return nil
		}
	}
}

func (m *qmpMessage) event() Event {
	return Event{Name: m.Event, Guest: m.Data.Guest, Reason: m.Data.Reason}
}

// events passes events on until the connection ends.
func (q *qmp) events(event func(Event)) {
	for {
		var m qmpMessage
		if q.dec.Decode(&m) != nil {
			return
		}
		if m.Event != "" {
			event(m.event())
		}
	}
}
