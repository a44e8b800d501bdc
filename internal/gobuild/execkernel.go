package gobuild

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gasp-go/gasp/internal/qemu"
)

// EnvExecKernel names the environment variable that, when set, is the loader
// kernel's image, which then is not built.
const EnvExecKernel = "GASP_EXECKERNEL"

const module = "github.com/gasp-go/gasp"

// ExecKernel returns the image of the loader kernel, cmd/execkernel, for b. It
// is built into the user's cache directory from this module's source, for each
// copy of the module another; the go command sees to it that nothing is done when
// it is up to date. Processes that do so at the same time wait for each other.
func ExecKernel(ctx context.Context, b *qemu.Board) (string, error) {
	if path := os.Getenv(EnvExecKernel); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%s: %w", EnvExecKernel, err)
		}
		return path, nil
	}
	source, err := moduleDir(ctx)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for the loader kernel: %w", err)
	}
	dir := filepath.Join(cache, "gasp")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	path := filepath.Join(dir, execKernelName(b, source))
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	f := Firmware{Board: b, Dir: source, Package: "./cmd/execkernel", Output: path}
	if err := f.Build(ctx); err != nil {
		return "", fmt.Errorf("cannot build the loader kernel: %w", err)
	}
	return path, nil
}

// execKernelName is what the image that is built from source is called. With one
// name for all, a run could get the kernel of another copy of the module.
func execKernelName(b *qemu.Board, source string) string {
	sum := sha256.Sum256([]byte(source))
	return fmt.Sprintf("execkernel-%s-%x.elf", b.Name, sum[:6])
}

// moduleDir returns where this module's source is: as the current module sees
// it, or else where this program was built from.
func moduleDir(ctx context.Context) (string, error) {
	dir, err := output(ctx, "", os.Environ(), "list", "-m", "-f", "{{.Dir}}", module)
	if err == nil && dir != "" {
		return dir, nil
	}
	if _, file, _, ok := runtime.Caller(0); ok {
		dir = filepath.Dir(filepath.Dir(filepath.Dir(file)))
		if _, err := os.Stat(filepath.Join(dir, "cmd", "execkernel")); err == nil {
			return dir, nil
		}
	}
	return "", errors.Join(fmt.Errorf("the source of %s, which has the loader kernel, was not found; add it to the module, or set %s", module, EnvExecKernel), err)
}
