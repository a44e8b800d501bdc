package peer

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Linux is what QEMU boots.
type Linux struct {
	Version string // of the package
	Kernel  string // files
	DTB     string
	Initrd  string
	modules []string // in the order of the names
}

// modules are those that the network of the board needs, and pktgen, in the
// order in which they can be loaded.
var modules = []string{
	"libphy", "fixed_phy", "fwnode_mdio", "of_mdio", "selftests", "crc16", "micrel", "smsc",
	"nvmem-imx-ocotp", "gpio-mxc", "fec", "pktgen",
}

const moduleSuffix = ".ko.xz"

const dtb = "imx6ul-14x14-evk.dtb"

// find finds the kernel's files in the unpacked package below dir.
func find(dir string) (*Linux, error) {
	l := &Linux{}
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch name := d.Name(); {
		case strings.HasPrefix(name, "vmlinuz-"):
			l.Kernel = path
		case name == dtb:
			l.DTB = path
		case strings.HasSuffix(name, moduleSuffix):
			found[strings.TrimSuffix(name, moduleSuffix)] = path
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case l.Kernel == "" || l.DTB == "":
		return nil, fmt.Errorf("%s: no kernel, or no %s", dir, dtb)
	}
	for _, m := range modules {
		if found[m] == "" {
			return nil, fmt.Errorf("%s: no module %s", dir, m)
		}
		l.modules = append(l.modules, found[m])
	}
	return l, nil
}

// WriteInitrd writes the initial RAM disk with program as process 1 to path.
func (l *Linux) WriteInitrd(path, program string) error {
	var b bytes.Buffer
	c := &cpio{w: &b}
	c.add("dev", modeDir, nil, [2]int{})
	c.add("dev/console", modeChar, nil, [2]int{5, 1})
	c.add("modules", modeDir, nil, [2]int{})
	files := map[string]string{"init": program}
	for i, m := range l.modules {
		files[fmt.Sprintf("modules/%02d-%s", i, filepath.Base(m))] = m
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		data, err := os.ReadFile(files[name])
		if err != nil {
			return err
		}
		c.add(name, modeExec, data, [2]int{})
	}
	if err := c.close(); err != nil {
		return err
	}
	l.Initrd = path
	return os.WriteFile(path, b.Bytes(), 0o600)
}
