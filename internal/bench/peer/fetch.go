package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	suite = "trixie" // Linux 6.12
	meta  = "linux-image-armmp"

	// versionFile is written when everything else is in the cache.
	versionFile = "version"
)

// Fetch returns Debian's kernel. The first time it downloads the package, some
// 60 MB and the index it is found with, through this machine's own apt, to below
// the user's cache directory; nothing is installed.
func Fetch(ctx context.Context) (*Linux, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(base, "gasp", "peer-"+suite)
	if _, err := os.Stat(filepath.Join(dir, versionFile)); err != nil {
		if err := download(ctx, dir); err != nil {
			return nil, fmt.Errorf("fetching Linux (PEER=none measures without it): %w", err)
		}
	}
	l, err := find(dir)
	if err != nil {
		return nil, fmt.Errorf("%w (remove %s to fetch it again)", err, dir)
	}
	version, err := os.ReadFile(filepath.Join(dir, versionFile))
	l.Version = strings.TrimSpace(string(version))
	return l, err
}

// download fills dir.
func download(ctx context.Context, dir string) error {
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("this needs a Debian machine's package tools: %w", err)
		}
	}
	targets, err := command(ctx, "", "apt-get", "indextargets", "--format", "$(ORIGIN)|$(CODENAME)|$(REPO_URI)", "Created-By: Packages")
	if err != nil {
		return err
	}
	archive, err := debianArchive(targets)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	apt := filepath.Join(dir, "apt")
	defer os.RemoveAll(apt)
	for _, d := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(apt, d), 0o755); err != nil {
			return err
		}
	}
	for name, content := range map[string]string{"status": "", "sources.list": "deb " + archive + " " + suite + " main\n"} {
		if err := os.WriteFile(filepath.Join(apt, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	if _, err := command(ctx, apt, "apt-get", options(apt, "update", "-qq")...); err != nil {
		return err
	}
	about, err := command(ctx, apt, "apt-cache", options(apt, "show", meta)...)
	if err != nil {
		return err
	}
	pkg, err := dependency(about)
	if err != nil {
		return err
	}
	if _, err := command(ctx, apt, "apt-get", options(apt, "download", "-qq", pkg)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(apt, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("%d packages came for %s (%v)", len(debs), pkg, err)
	}
	if _, err := command(ctx, apt, "dpkg-deb", "-x", debs[0], dir); err != nil {
		return err
	}
	version := strings.TrimSuffix(filepath.Base(debs[0]), ".deb")
	return os.WriteFile(filepath.Join(dir, versionFile), []byte(version+"\n"), 0o600)
}

// options makes an apt of its own, for armhf, of the directory.
func options(apt string, args ...string) []string {
	var all []string
	for _, o := range []string{
		"Dir::State=" + apt + "/state", "Dir::State::status=" + apt + "/status",
		"Dir::Cache=" + apt + "/cache", "Dir::Etc::sourcelist=" + apt + "/sources.list",
		"Dir::Etc::sourceparts=-", "Dir::Etc::parts=-",
		"APT::Architecture=armhf", "APT::Architectures=armhf",
		"APT::Sandbox::User=root", "Acquire::Languages=none",
	} {
		all = append(all, "-o", o)
	}
	return append(all, args...)
}

// debianArchive picks the URI of Debian's archive from what apt-get says of
// this machine's sources.
func debianArchive(targets string) (string, error) {
	for line := range strings.Lines(targets) {
		f := strings.Split(strings.TrimSpace(line), "|")
		// A suite with a hyphen is for updates and may be elsewhere.
		if len(f) == 3 && f[0] == "Debian" && f[1] != "" && !strings.Contains(f[1], "-") && f[2] != "" {
			return f[2], nil
		}
	}
	return "", errors.New("this machine's apt has no source of Debian's (apt-get update may help)")
}

// dependency is the package that a package which holds nothing depends on,
// from what apt-cache shows of the latter.
func dependency(about string) (string, error) {
	for line := range strings.Lines(about) {
		if d, ok := strings.CutPrefix(line, "Depends:"); ok {
			if f := strings.Fields(d); len(f) > 0 && strings.HasPrefix(f[0], "linux-image-") {
				return strings.TrimSuffix(f[0], ","), nil
			}
		}
	}
	return "", errors.New(meta + " depends on no kernel")
}

// command runs a program in dir and returns what it prints.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, bytes.TrimSpace(said.Bytes()))
	}
	return string(out), nil
}
