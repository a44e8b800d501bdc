// Package imx drives the blocks that i.MX 6/7 SoCs share and boards need: the
// console UART, the watchdog, the fuses, clocks, random number generators, the
// real time clock. The packages below it say which SoC has which of them, and
// where.
package imx
