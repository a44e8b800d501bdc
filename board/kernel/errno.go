//go:build arm

package kernel

// Errno values of linux/arm that the kernel returns.
const (
	EPERM           = 1
	ENOENT          = 2
	ESRCH           = 3
	EINTR           = 4
	EBADF           = 9
	EAGAIN          = 11
	ENOMEM          = 12
	EACCES          = 13
	EFAULT          = 14
	EEXIST          = 17
	ENODEV          = 19
	ENOTDIR         = 20
	EISDIR          = 21
	EINVAL          = 22
	ENFILE          = 23
	EMFILE          = 24
	ENOSPC          = 28
	ESPIPE          = 29
	EROFS           = 30
	EPIPE           = 32
	ERANGE          = 34
	ENAMETOOLONG    = 36
	ENOSYS          = 38
	ELOOP           = 40
	EOVERFLOW       = 75
	ENOTSOCK        = 88
	EDESTADDRREQ    = 89
	EMSGSIZE        = 90
	EPROTONOSUPPORT = 93
	ESOCKTNOSUPPORT = 94
	EOPNOTSUPP      = 95
	EAFNOSUPPORT    = 97
	ENOBUFS         = 105
	EISCONN         = 106
	ENOTCONN        = 107
	ETIMEDOUT       = 110
	EALREADY        = 114
	EINPROGRESS     = 115
)

// errno is a system call's result for an error.
func errno(e int32) uint32 { return uint32(-e) }
