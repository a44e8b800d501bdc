// Package random makes gVisor's source of randomness one that never waits, as
// Linux's own network stack has it: gVisor draws some at package initialisation,
// which would keep a firmware without entropy from main. It is unbuffered, so
// that what was drawn before the kernel's generator was seeded is not used later.
// Programs' random numbers (crypto/rand) do wait.
//
// Packages without a dependency between them are initialised in the order of
// their import paths, this one therefore before those of gvisor.dev that draw.
package random
