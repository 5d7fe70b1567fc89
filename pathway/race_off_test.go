//go:build !race

package pathway

// usually is how many random histories are lived where nobody asks for another number.
const usually = 2000
