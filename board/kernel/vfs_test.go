//go:build arm

package kernel_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// The file system as a program sees it.

func slurp(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWhatTheStandardLibraryReadsIsThere(t *testing.T) {
	onKernel(t)
	for path, want := range map[string]string{
		"/etc/hosts":                        "127.0.0.1\tlocalhost",
		"/etc/nsswitch.conf":                "hosts: files dns\n",
		"/etc/services":                     "\nhttps\t443/tcp\n",
		"/etc/protocols":                    "\ntcp\t6\t",
		"/proc/cpuinfo":                     "neon",
		"/proc/meminfo":                     "MemTotal:",
		"/proc/self/status":                 "\nThreads:\t",
		"/proc/sys/kernel/hostname":         "gasp\n",
		"/proc/sys/kernel/osrelease":        "gasp\n",
		"/proc/sys/net/core/somaxconn":      "4096\n",
		"/proc/uptime":                      ".",
		"//proc/./self/../sys/net/core/../": "",
	} {
		if strings.HasSuffix(path, "/") {
			continue
		}
		if got := slurp(t, path); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q in it", path, got, want)
		}
	}
	if name, err := os.Hostname(); name != "gasp" || err != nil {
		t.Errorf("host name %q, %v", name, err)
	}
	if exe, err := os.Executable(); exe != "/gasp" || err != nil {
		t.Errorf("executable %q, %v", exe, err)
	}
}

func TestProcSelfTellsAboutThisProgram(t *testing.T) {
	onKernel(t)
	if got := slurp(t, "/proc/self/cmdline"); got != strings.Join(os.Args, "\x00")+"\x00" {
		t.Errorf("cmdline %q of %q", got, os.Args)
	}
	auxv := slurp(t, "/proc/self/auxv")
	if len(auxv)%8 != 0 || auxv[0] != 6 || auxv[4:8] != "\x00\x10\x00\x00" || auxv[len(auxv)-8:] != "\x00\x00\x00\x00\x00\x00\x00\x00" {
		t.Errorf("auxv % x", auxv)
	}
	stat := strings.Fields(slurp(t, "/proc/self/stat"))
	if len(stat) != 52 {
		t.Fatalf("stat has %d fields", len(stat))
	}
	if threads, _ := strconv.Atoi(stat[19]); threads < 2 {
		t.Errorf("%d threads", threads)
	}
}

func TestMapsTellRightsOfEveryAddress(t *testing.T) {
	onKernel(t)
	heap := new([1 << 16]byte)
	fn := onKernel
	addrs := map[uintptr]string{
		uintptr(unsafe.Pointer(&heap[0])):                    "rw-p",
		uintptr(unsafe.Pointer(&data[0])):                    "rw-p",
		**(**uintptr)(unsafe.Pointer(&fn)):                   "r-xp",
		uintptr(unsafe.Pointer(unsafe.StringData(constant))): "r--p",
	}
	last := uint64(0)
	for line := range strings.Lines(slurp(t, "/proc/self/maps")) {
		f := strings.Fields(line)
		if len(f) < 5 {
			t.Fatalf("line %q", line)
		}
		from, to, _ := strings.Cut(f[0], "-")
		lo, err1 := strconv.ParseUint(from, 16, 32)
		hi, err2 := strconv.ParseUint(to, 16, 33)
		if err1 != nil || err2 != nil || lo < last || hi <= lo {
			t.Fatalf("line %q after %#x", line, last)
		}
		last = hi
		for a, want := range addrs {
			if uint64(a) >= lo && uint64(a) < hi {
				if f[1] != want {
					t.Errorf("%#x: %s, want %s", a, f[1], want)
				}
				delete(addrs, a)
			}
		}
	}
	for a, want := range addrs {
		t.Errorf("%#x (%s) is nowhere", a, want)
	}
}

func TestFilesReadTheSameInSmallAndLargePieces(t *testing.T) {
	onKernel(t)
	for _, path := range []string{"/etc/services", "/proc/cpuinfo", "/proc/self/auxv"} {
		whole := slurp(t, path)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var parts []byte
		buf := make([]byte, 7)
		for {
			n, err := f.Read(buf)
			parts = append(parts, buf[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if string(parts) != whole {
			t.Errorf("%s: %d bytes in pieces, %d at once", path, len(parts), len(whole))
		}
		if n, err := f.ReadAt(buf, 3); n != 7 || err != nil || string(buf) != whole[3:10] {
			t.Errorf("%s: ReadAt: %q, %v", path, buf[:n], err)
		}
		if at, err := f.Seek(5, io.SeekStart); at != 5 || err != nil {
			t.Errorf("%s: Seek: %d, %v", path, at, err)
		}
		if n, err := f.Read(buf[:2]); n != 2 || err != nil || string(buf[:2]) != whole[5:7] {
			t.Errorf("%s: read after Seek: %q, %v", path, buf[:n], err)
		}
		f.Close()
	}
}

func TestDirectoriesListTheirEntries(t *testing.T) {
	onKernel(t)
	var seen []string
	err := filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err != nil || info.Mode().Type() != d.Type() || info.IsDir() != d.IsDir() {
			t.Errorf("%s: %v %v, %v", path, d, info, err)
		}
		seen = append(seen, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/", "/dev", "/dev/null", "/etc/hosts", "/proc/self/exe", "/proc/sys/net/core/somaxconn", "/tmp"} {
		if !slices.Contains(seen, want) {
			t.Errorf("%s is not among %q", want, seen)
		}
	}
	// A buffer for one entry at a time, through the system call.
	fd, err := syscall.Open("/etc", syscall.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	var names []string
	for buf := make([]byte, 40); ; {
		n, err := syscall.ReadDirent(fd, buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		_, _, names = syscall.ParseDirent(buf[:n], -1, names)
	}
	if !slices.Contains(names, "hosts") || !slices.Contains(names, "services") || slices.Contains(names, "..") {
		t.Errorf("names %q", names)
	}
	if n, err := syscall.ReadDirent(fd, make([]byte, 40)); n != 0 || err != nil {
		t.Errorf("past the end: %d, %v", n, err)
	}
}

func TestStatAgreesWithItself(t *testing.T) {
	onKernel(t)
	want := int64(len(slurp(t, "/etc/services")))
	f, err := os.Open("/etc/services")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err1 := os.Stat("/etc/services")
	b, err2 := f.Stat()
	if err1 != nil || err2 != nil || a.Size() != want || b.Size() != want || !os.SameFile(a, b) || a.Mode() != 0o444 {
		t.Errorf("%v %v, %v %v, want %d bytes", a, err1, b, err2, want)
	}
	if link, err := os.Lstat("/proc/self/exe"); err != nil || link.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("lstat: %v, %v", link, err)
	}
	if _, err := os.Stat("/proc/self/exe"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat of a link to nowhere: %v", err)
	}
	if null, err := os.Stat("/dev/null"); err != nil || null.Mode()&fs.ModeCharDevice == 0 {
		t.Errorf("null: %v, %v", null, err)
	}
}

func TestDevicesDoWhatTheyAreFor(t *testing.T) {
	onKernel(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if n, err := null.Write(make([]byte, 200_000)); n != 200_000 || err != nil {
		t.Errorf("write to null: %d, %v", n, err)
	}
	if n, err := null.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		t.Errorf("read of null: %d, %v", n, err)
	}
	zero, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close()
	buf := bytes.Repeat([]byte{1}, 100_000)
	if _, err := io.ReadFull(zero, buf); err != nil || bytes.Count(buf, []byte{0}) != len(buf) {
		t.Errorf("zero: %v", err)
	}
	random, err := os.Open("/dev/urandom")
	if err != nil {
		t.Fatal(err)
	}
	defer random.Close()
	a, b := make([]byte, 10_000), make([]byte, 10_000)
	_, err1 := io.ReadFull(random, a)
	_, err2 := io.ReadFull(random, b)
	if err1 != nil || err2 != nil || bytes.Equal(a, b) || bytes.Count(a, []byte{0}) > 100 {
		t.Errorf("urandom: %v %v", err1, err2)
	}
}

func TestDuplicatesShareTheirOffset(t *testing.T) {
	onKernel(t)
	fd, err := syscall.Open("/etc/services", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	two, err := syscall.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Dup3(fd, 900, 0); err != nil {
		t.Fatal(err)
	}
	whole := slurp(t, "/etc/services")
	var got []byte
	buf := make([]byte, 5)
	for _, d := range []int{fd, two, 900} {
		n, err := syscall.Read(d, buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
		syscall.Close(d)
	}
	if string(got) != whole[:15] {
		t.Errorf("read %q", got)
	}
	// A copy of the console is the console.
	out, err := syscall.Dup(1)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := syscall.Write(out, []byte("a copy of standard output\n")); n != 26 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	syscall.Close(out)
}

func TestDescriptorsRunOutAndComeBack(t *testing.T) {
	onKernel(t)
	var fds []int
	for {
		fd, err := syscall.Open("/etc/hosts", 0, 0)
		if err == syscall.EMFILE {
			break
		}
		if err != nil || len(fds) > 2000 {
			t.Fatal(len(fds), err)
		}
		fds = append(fds, fd)
	}
	if len(fds) < 900 {
		t.Errorf("only %d descriptors", len(fds))
	}
	for _, fd := range fds {
		if err := syscall.Close(fd); err != nil {
			t.Fatal(err)
		}
	}
	slurp(t, "/etc/hosts")
}

func cstring(s string) uintptr { return uintptr(unsafe.Pointer(unsafe.StringData(s + "\x00"))) }

func TestFileCallsWithBadPointersAreEFAULT(t *testing.T) {
	onKernel(t)
	fd, err := syscall.Open("/etc/services", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	dir, err := syscall.Open("/etc", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(dir)
	file, d, cwd, hosts := uintptr(fd), uintptr(dir), ^uintptr(99), cstring("/etc/hosts")
	exe := cstring("/proc/self/exe")
	var st [104]byte
	buf := uintptr(unsafe.Pointer(&st))
	iov := [2]uintptr{1, 16}
	for name, call := range map[string]func(p uintptr) syscall.Errno{
		"open":   func(p uintptr) syscall.Errno { return raw(syscall.SYS_OPEN, p, 0, 0) },
		"openat": func(p uintptr) syscall.Errno { return raw(syscall.SYS_OPENAT, cwd, p, 0) },
		"read":   func(p uintptr) syscall.Errno { return raw(syscall.SYS_READ, file, p, 100) },
		"pread":  func(p uintptr) syscall.Errno { return raw6(syscall.SYS_PREAD64, file, p, 100, 0) },
		"readv":  func(p uintptr) syscall.Errno { return raw(syscall.SYS_READV, file, p, 2) },
		"readv's": func(p uintptr) syscall.Errno {
			iov[0] = p
			return raw(syscall.SYS_READV, file, uintptr(unsafe.Pointer(&iov)), 1)
		},
		"_llseek":       func(p uintptr) syscall.Errno { return raw6(syscall.SYS__LLSEEK, file, 0, 0, p) },
		"stat":          func(p uintptr) syscall.Errno { return raw(syscall.SYS_STAT64, hosts, p, 0) },
		"stat's path":   func(p uintptr) syscall.Errno { return raw(syscall.SYS_STAT64, p, buf, 0) },
		"fstat":         func(p uintptr) syscall.Errno { return raw(syscall.SYS_FSTAT64, file, p, 0) },
		"fstatat":       func(p uintptr) syscall.Errno { return raw6(syscall.SYS_FSTATAT64, cwd, hosts, p, 0) },
		"getdents":      func(p uintptr) syscall.Errno { return raw(syscall.SYS_GETDENTS64, d, p, 1000) },
		"readlink":      func(p uintptr) syscall.Errno { return raw(syscall.SYS_READLINK, exe, p, 64) },
		"readlinkat":    func(p uintptr) syscall.Errno { return raw6(syscall.SYS_READLINKAT, cwd, p, buf, 64) },
		"access":        func(p uintptr) syscall.Errno { return raw(syscall.SYS_ACCESS, p, 0, 0) },
		"faccessat":     func(p uintptr) syscall.Errno { return raw(syscall.SYS_FACCESSAT, cwd, p, 0) },
		"mkdir":         func(p uintptr) syscall.Errno { return raw(syscall.SYS_MKDIR, p, 0, 0) },
		"settimeofday":  func(p uintptr) syscall.Errno { return raw(syscall.SYS_SETTIMEOFDAY, p, 0, 0) },
		"clock_settime": func(p uintptr) syscall.Errno { return raw(syscall.SYS_CLOCK_SETTIME, 0, p, 0) },
	} {
		for _, p := range bad {
			if e := call(p); e != syscall.EFAULT {
				t.Errorf("%s(%#x) = %v, want EFAULT", name, p, e)
			}
		}
	}
}

func TestAPathThatRunsOffItsPageIsEFAULT(t *testing.T) {
	onKernel(t)
	p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, 8192, 3, 0x22, ^uintptr(0), 0)
	if e != 0 {
		t.Fatal(e)
	}
	if e := raw(syscall.SYS_MUNMAP, p+4096, 4096, 0); e != 0 {
		t.Fatal(e)
	}
	page := unsafe.Slice((*byte)(unsafe.Add(nil, p)), 4096)
	copy(page[4090:], "/etc/h")
	if e := raw(syscall.SYS_OPEN, p+4090, 0, 0); e != syscall.EFAULT {
		t.Errorf("%v, want EFAULT", e)
	}
	copy(page[4090:], "/etc\x00")
	fd, _, e := syscall.RawSyscall(syscall.SYS_OPEN, p+4090, 0, 0)
	if e != 0 {
		t.Errorf("a path at the end of its page: %v", e)
	}
	raw(syscall.SYS_CLOSE, fd, 0, 0)
	raw(syscall.SYS_MUNMAP, p, 4096, 0)
}

func TestFileCallsGetLinuxErrors(t *testing.T) {
	t.Chdir("/")
	onKernel(t)
	fd, err := syscall.Open("/etc/services", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	dir, err := syscall.Open("/etc", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(dir)
	var space [256]byte
	file, d, buf := uintptr(fd), uintptr(dir), uintptr(unsafe.Pointer(&space))
	openp := func(path string, flags uintptr) syscall.Errno {
		r, _, e := syscall.RawSyscall(syscall.SYS_OPEN, cstring(path), flags, 0)
		if e == 0 {
			syscall.Close(int(r))
		}
		return e
	}
	const wronly, rdwr, creat, excl, trunc, directory, nofollow = 1, 2, 0o100, 0o200, 0o1000, 0o40000, 0o100000
	for _, c := range []struct {
		name      string
		got, want syscall.Errno
	}{
		{"open of nothing", openp("/etc/nothing", 0), syscall.ENOENT},
		{"open of the empty path", openp("", 0), syscall.ENOENT},
		{"open through a file", openp("/etc/hosts/x", 0), syscall.ENOTDIR},
		{"open of a file with a slash", openp("/etc/hosts/", 0), syscall.ENOTDIR},
		{"open above the root", openp("/../../etc/./hosts", 0), 0},
		{"open from the current directory", openp("etc/hosts", 0), 0},
		{"open of a long name", openp("/"+strings.Repeat("n", 256), 0), syscall.ENAMETOOLONG},
		{"open of a long path", openp(strings.Repeat("/", 4096), 0), syscall.ENAMETOOLONG},
		{"open of the longest path", openp(strings.Repeat("/", 4095), 0), 0},
		{"open to write", openp("/etc/hosts", wronly), syscall.EROFS},
		{"open to truncate", openp("/etc/hosts", trunc), syscall.EROFS},
		{"open to create", openp("/etc/new", creat|rdwr), syscall.EROFS},
		{"open to create what is there", openp("/etc/hosts", creat|excl|wronly), syscall.EEXIST},
		{"open a directory to write", openp("/etc", wronly), syscall.EISDIR},
		{"open a file as a directory", openp("/etc/hosts", directory), syscall.ENOTDIR},
		{"open a link", openp("/proc/self/exe", nofollow), syscall.ELOOP},
		{"openat a descriptor that is not open", raw(syscall.SYS_OPENAT, 800, cstring("hosts"), 0), syscall.EBADF},
		{"openat a file", raw(syscall.SYS_OPENAT, file, cstring("hosts"), 0), syscall.ENOTDIR},
		{"fstatat a directory", raw6(syscall.SYS_FSTATAT64, d, cstring("hosts"), buf, 0), 0},
		{"fstatat the descriptor itself", raw6(syscall.SYS_FSTATAT64, d, cstring(""), buf, 0x1000), 0},
		{"read of a directory", raw(syscall.SYS_READ, d, buf, 10), syscall.EISDIR},
		{"write to what is open to read", raw(syscall.SYS_WRITE, file, buf, 10), syscall.EBADF},
		{"a huge read", raw(syscall.SYS_READ, file, 4096, 1<<31), syscall.EINVAL},
		{"pread before the start", raw6pread(file, buf, 10, -1), syscall.EINVAL},
		{"pread far behind the end", raw6pread(file, buf, 10, 1<<62), 0},
		{"pread of the console", raw6pread(1, buf, 10, 0), syscall.ESPIPE},
		{"seek before the start", seek(file, -1, 0), syscall.EINVAL},
		{"seek from a strange place", seek(file, 0, 9), syscall.EINVAL},
		{"seek further than there are numbers", seek(file, 1<<63-1, 2), syscall.EINVAL},
		{"seek of the console", seek(1, 0, 0), syscall.ESPIPE},
		{"seek of nothing", seek(800, 0, 0), syscall.EBADF},
		{"getdents of a file", raw(syscall.SYS_GETDENTS64, file, buf, 256), syscall.ENOTDIR},
		{"getdents into too little", raw(syscall.SYS_GETDENTS64, d, buf, 10), syscall.EINVAL},
		{"readlink of a file", raw(syscall.SYS_READLINK, cstring("/etc/hosts"), buf, 10), syscall.EINVAL},
		{"readlink into nothing", raw(syscall.SYS_READLINK, cstring("/proc/self/exe"), buf, 0), syscall.EINVAL},
		{"access to read", raw(syscall.SYS_ACCESS, cstring("/etc/hosts"), 4, 0), 0},
		{"access to write", raw(syscall.SYS_ACCESS, cstring("/etc/hosts"), 2, 0), syscall.EROFS},
		{"access to execute", raw(syscall.SYS_ACCESS, cstring("/etc/hosts"), 1, 0), syscall.EACCES},
		{"access in a strange way", raw(syscall.SYS_ACCESS, cstring("/etc/hosts"), 8, 0), syscall.EINVAL},
		{"mkdir", raw(syscall.SYS_MKDIR, cstring("/tmp/x"), 0o777, 0), syscall.EROFS},
		{"mkdir of what is there", raw(syscall.SYS_MKDIR, cstring("/tmp"), 0o777, 0), syscall.EEXIST},
		{"unlink", raw(syscall.SYS_UNLINK, cstring("/etc/hosts"), 0, 0), syscall.EROFS},
		{"unlink of nothing", raw(syscall.SYS_UNLINK, cstring("/etc/nothing"), 0, 0), syscall.ENOENT},
		{"dup of nothing", raw(syscall.SYS_DUP, 800, 0, 0), syscall.EBADF},
		{"dup3 onto itself", raw(syscall.SYS_DUP3, file, file, 0), syscall.EINVAL},
		{"dup3 too far", raw(syscall.SYS_DUP3, file, 1<<20, 0), syscall.EBADF},
		{"epoll of a file", epollAdd(file), syscall.EPERM},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}

func raw6pread(fd, p, n uintptr, off int64) syscall.Errno {
	_, _, e := syscall.RawSyscall6(syscall.SYS_PREAD64, fd, p, n, 0, uintptr(off), uintptr(off>>32))
	return e
}

func seek(fd uintptr, off int64, whence uintptr) syscall.Errno {
	var at int64
	_, _, e := syscall.RawSyscall6(syscall.SYS__LLSEEK, fd, uintptr(off>>32), uintptr(off), uintptr(unsafe.Pointer(&at)), whence, 0)
	return e
}

func epollAdd(fd uintptr) syscall.Errno {
	ep, err := syscall.EpollCreate1(0)
	if err != nil {
		return err.(syscall.Errno)
	}
	defer syscall.Close(ep)
	var event [16]byte
	return raw6(syscall.SYS_EPOLL_CTL, uintptr(ep), 1, fd, uintptr(unsafe.Pointer(&event)))
}
