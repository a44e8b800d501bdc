//go:build unix

package qemu

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
)

// links are our ends of the connections to QEMU.
type links struct {
	serial net.Conn
	qmp    *qmp
	stderr *os.File
}

func (l *links) close() {
	l.serial.Close()
	l.qmp.conn.Close()
	l.stderr.Close()
}

func (l *links) setReadDeadline(t time.Time) {
	l.serial.SetReadDeadline(t)
	l.qmp.conn.SetReadDeadline(t)
	l.stderr.SetReadDeadline(t)
}

// launch starts the process with its connections, and the goroutine that
// waits for it. It adds one reader, for the caller to take away when it has
// added the others.
func (m *Machine) launch() (err error) {
	var ours, theirs []io.Closer
	defer func() {
		closeAll(theirs) // QEMU has its own; while ours is open we see no end
		if err != nil {
			closeAll(ours)
		}
	}()
	pair := func(name string) (net.Conn, *os.File, error) {
		conn, child, err := socketpair(name)
		if err == nil {
			ours, theirs = append(ours, conn), append(theirs, child)
		}
		return conn, child, err
	}
	serial, serialChild, err := pair("serial")
	if err != nil {
		return err
	}
	control, controlChild, err := pair("qmp")
	if err != nil {
		return err
	}
	stderr, stderrChild, err := os.Pipe()
	if err != nil {
		return err
	}
	ours, theirs = append(ours, stderr), append(theirs, stderrChild)

	m.links = links{serial, newQMP(control), stderr}
	m.cmd.Stderr = stderrChild
	m.cmd.ExtraFiles = []*os.File{serialChild, controlChild} // fdSerial, fdQMP
	m.readers.Add(1)
	started := make(chan error)
	go func() {
		// The child is killed when the thread that started it ends
		// (childAttr), so that thread waits here.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := m.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		m.cmd.Wait() // its error says no more than ProcessState does
		m.links.setReadDeadline(time.Now().Add(drainTimeout))
		m.readers.Wait()
		m.links.close()
		m.kill() // releases the context
		close(m.done)
	}()
	return <-started
}

func closeAll(cs []io.Closer) {
	for _, c := range cs {
		c.Close()
	}
}

// copy starts a reader that brings what r has to w. It reads to the end even
// when w fails, since a full socket would stop the guest.
func (m *Machine) copy(w io.Writer, r io.Reader) {
	if w == nil {
		w = io.Discard
	}
	m.readers.Go(func() {
		io.Copy(w, r)
		io.Copy(io.Discard, r)
	})
}

// discardReady throws away what can be read from f without waiting.
func discardReady(f *os.File) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	var buf [4096]byte
	raw.Read(func(fd uintptr) bool {
		for {
			n, err := syscall.Read(int(fd), buf[:])
			if n <= 0 && !errors.Is(err, syscall.EINTR) {
				return true
			}
		}
	})
}

// socketpair returns two connected stream sockets: ours, and one to be
// inherited by a child.
func socketpair(name string) (net.Conn, *os.File, error) {
	// Between the two calls no child may be started that would inherit them.
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	own := os.NewFile(uintptr(fds[0]), name)
	child := os.NewFile(uintptr(fds[1]), name)
	conn, err := net.FileConn(own)
	own.Close()
	if err != nil {
		child.Close()
		return nil, nil, err
	}
	return conn, child, nil
}
