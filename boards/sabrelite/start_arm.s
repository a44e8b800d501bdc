#include "textflag.h"

// func Start()
//
// The loader jumps here: SVC mode, MMU off.
TEXT ·Start(SB),NOSPLIT|NOFRAME,$0
	MOVW $·machine(SB), R0
	MOVW ·entry(SB), R1
	MOVW (R1), R1
	B (R1)
