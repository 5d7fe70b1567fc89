//go:build race

package pathway

// usually is how many random histories are lived where nobody asks for another number.
const usually = 300 // the detector makes each take many times as long
