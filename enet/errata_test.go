package enet

import (
	"testing"

	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

// The errata of single doorbells are in tx_test.go. The model reports what the
// others forbid, in every test; here are the situations in which it could happen.

func TestPartsOnAnAXIBusAreNeverReset(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Quirks = QuirkNoReset })
	b.model.SetFaults(func(f *macmodel.Faults) { f.AXI = true })
	for range 2 {
		if err := b.mac.dev.Open(); err != nil {
			t.Fatal(err)
		}
		b.wantAlive()
		b.mac.request(todoRestart)
		b.step()
		b.wantAlive()
		if err := b.mac.dev.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	b.mac.txBusy.Store(true)
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	b.wantSeizedAlive("AXI")
	if n := b.model.Resets(); n != 0 {
		t.Errorf("%d resets", n)
	}
}

// BABR at full load: descriptors are only rewritten while the MAC is disabled.
func TestRingsAreRewrittenOnlyWhileTheMACIsDisabled(t *testing.T) {
	b := openBench(t, rings(8, 8))
	for round := range 3 {
		for i := range 5 {
			b.model.Deliver(frame(ourMAC, 60, i)) // some are filled, and not taken
		}
		filled := func() int { return b.mac.rx[live].Filled() }
		was := filled()
		b.model.SetFaults(func(f *macmodel.Faults) {
			enabled := true
			f.Access = func(_ int, off uintptr, write bool) {
				if enabled && filled() != was {
					t.Errorf("round %d: descriptors rewritten with the MAC enabled", round)
				}
				if off == macmodel.ECR && write {
					enabled = false // a reset, or the end of it
				}
			}
		})
		b.mac.request(todoRestart)
		b.step()
		b.model.SetFaults(func(f *macmodel.Faults) { f.Access = nil })
		if filled() != 0 {
			t.Error("not rewritten")
		}
	}
	b.step()
	b.wantAlive()
}

// ERR006358 as it strikes: every doorbell that is rung while the engine finishes
// a frame is lost. The interrupt of that frame finds it.
func TestNoFrameIsStuckWhenDoorbellsAreLost(t *testing.T) {
	b := openBench(t, rings(4, 8), func(c *Config) { c.Quirks = QuirksOf("i.MX6Q") })
	sent := 0
	for i := range 50 {
		b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
		if b.xmit(frame(otherMAC, 60, 2*i)) != netdev.TxOK {
			t.Fatal("refused")
		}
		b.model.RunTx(-1) // it finishes this one
		b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual, f.LoseTDAR = false, 1 })
		if b.xmit(frame(otherMAC, 60, 2*i+1)) != netdev.TxOK {
			t.Fatal("refused")
		}
		b.step()
		sent += len(b.model.Sent())
		if sent != 2*i+2 {
			t.Fatalf("round %d: %d frames sent", i, sent)
		}
	}
	b.wantStat("tx_kicks", 50)
}
