// Package surface makes system calls with wrong arguments: every number, each
// argument in turn with each of a list of awkward values, then calls drawn at
// random. Whoever runs it survives and every answer is a result or an errno, or
// the kernel is at fault. It is for tests on the target.
package surface
