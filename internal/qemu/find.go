package qemu

import (
	"fmt"
	"os"
	"os/exec"
)

// EnvQEMU names the environment variable that, when set, is the emulator's
// program, found in PATH or given with its directory.
const EnvQEMU = "GASP_QEMU"

// Find returns the path of the emulator for b. When there is none the error
// says what to install.
func Find(b *Board) (string, error) {
	name := b.QEMU
	if v := os.Getenv(EnvQEMU); v != "" {
		name = v
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s not found: install QEMU (Debian and Ubuntu: the package qemu-system-arm, \"apt-get install qemu-system-arm\"), or name it in %s: %w", name, EnvQEMU, err)
	}
	return path, nil
}
