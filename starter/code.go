package main

import (
	"crypto/rand"
	"strings"
)

// codeLetters leaves out vowels, so that no code is a word, and what is mistaken for something else: 0, 1, S, Y.
const codeLetters = "23456789BCDFGHJKMNPQRTVWXZ"

const codeLength = 6

// newCode draws a pathway's code. It says nothing about whose it is.
func newCode() string {
	code := make([]byte, 0, codeLength)
	var draw [1]byte
	for len(code) < codeLength {
		_, _ = rand.Read(draw[:])                            // it never fails
		if n := int(draw[0]); n < 256-256%len(codeLetters) { // else some letters would come up more often
			code = append(code, codeLetters[n%len(codeLetters)])
		}
	}
	return string(code)
}

// parseCode takes a code as people write it: in lower case, or as the workflow's id.
func parseCode(text string) (string, error) {
	code := strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(text)), "PATHWAY-")
	ok := len(code) == codeLength
	for _, c := range code {
		ok = ok && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z')
	}
	if !ok {
		return "", usage("found %q, expected a pathway's code of six characters such as K7Q2M9; find it with: starter find NAME", text)
	}
	return code, nil
}
