package enet

import (
	"testing"

	"github.com/gasp-go/gasp/enet/mii"
	"github.com/gasp-go/gasp/internal/macmodel"
)

func TestGigabitIsToldToTheMACAndTakenBack(t *testing.T) {
	b := openBench(t, func(c *Config) { c.Port.RMII, c.Port.Gigabit = false, true })
	speed := func() bool {
		b.mac.Tick()
		b.step()
		if rcr := b.model.Reg(macmodel.RCR); rcr&rcrRGMIIEN == 0 || rcr&(rcrRMIIMODE|rcrRMII10T) != 0 {
			t.Errorf("RCR %#x", rcr)
		}
		return b.model.Reg(macmodel.ECR)&ecrSPEED != 0
	}
	if speed() {
		t.Error("1 Gb/s at 100 Mb/s")
	}
	b.model.SetPHYReg(2, mii.BMSR, 0x792d) // has the 1000BASE-T registers
	b.model.SetPHYReg(2, mii.GBCR, 0x0200)
	b.model.SetPHYReg(2, mii.GBSR, 0x0800)
	if !speed() || b.mac.Link().String() != "1000 Mb/s full" {
		t.Errorf("%s, ECR %#x", b.mac.Link(), b.model.Reg(macmodel.ECR))
	}
	b.wantAlive()
	b.model.SetPHYReg(2, mii.BMSR, 0x790d) // negotiating again: down, and nothing is touched
	n := b.model.Resets()
	if !speed() || b.mac.dev.Carrier() || b.model.Resets() != n {
		t.Error("the MAC changed while the link was negotiated")
	}
	b.model.SetPHYReg(2, mii.BMSR, 0x792d)
	b.model.SetPHYReg(2, mii.GBSR, 0)
	if speed() || !b.mac.dev.Carrier() {
		t.Errorf("%s, ECR %#x", b.mac.Link(), b.model.Reg(macmodel.ECR))
	}
	b.wantAlive()
}
