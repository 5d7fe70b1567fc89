// Package links makes and reads the links in a client's mail. What a link stands for is sealed into it: whoever finds one in a
// log, in a history or over a shoulder learns nothing, and nobody without the key can make one or change one.
//
// A link says only what it is about and until when. Whether it may still be answered is the pathway's to say.
package links

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kap/pathway"
)

// Purpose is what a link is for.
type Purpose byte

// The purposes. Their numbers are in mails that are read months later: none is ever given to another.
const (
	Coming      Purpose = 1 // I'll be there
	AnotherTime Purpose = 2 // I need another time
	Leave       Purpose = 3 // no more mails, or to leave
)

// Link is what a link stands for.
type Link struct {
	Purpose  Purpose
	Pathway  string    // a code
	Session  string    // such as dosing-2.1; none: the link is about no session
	Revision int       // of the session; what has moved since is another
	Until    time.Time // it is of no use any more; to the minute
}

// KeyAtLeast is how many bytes a key has at least.
const KeyAtLeast = 32

// ErrNoLink says that a text is no link of ours: cut short, changed, or sealed with a key that is no longer known.
var ErrNoLink = errors.New("not a link, or not one that this key has sealed")

// Keys seal with one key, and open with it and with the one before it, so that the key can be changed while mails are about.
type Keys struct{ all []cipher.AEAD }

// NewKeys takes the key and those before it, each of [KeyAtLeast] bytes or more.
func NewKeys(key string, before ...string) (*Keys, error) {
	k := &Keys{}
	for _, secret := range append([]string{key}, before...) {
		if len(secret) < KeyAtLeast {
			return nil, fmt.Errorf("found a key of %d bytes, expected at least %d", len(secret), KeyAtLeast)
		}
		derived, err := hkdf.Key(sha256.New, []byte(secret), nil, "kap: links in mail, 1", 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			return nil, err
		}
		// Sealing hides and signs in one: AES-GCM with a random nonce.
		sealed, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		k.all = append(k.all, sealed)
	}
	return k, nil
}

// plainBytes is what every link holds, so that its length says nothing: purpose, code, session (kind, number, try), revision, until.
const plainBytes = 1 + 6 + 3 + 2 + 4

// Length is how long every link is.
const Length = 59

var encoding = base64.RawURLEncoding.Strict()

// Seal writes a link. Its error says which of its facts has no room in one.
func (k *Keys) Seal(l Link) (string, error) {
	plain := make([]byte, 0, plainBytes)
	if len(l.Pathway) != 6 {
		return "", fmt.Errorf("pathway: found %d characters, expected 6", len(l.Pathway))
	}
	if l.Purpose < Coming || l.Purpose > Leave || (l.Purpose == Leave) != (l.Session == "") {
		return "", fmt.Errorf("purpose: found %d, expected one that fits", l.Purpose)
	}
	plain = append(append(plain, byte(l.Purpose)), l.Pathway...)
	session, err := pack(l.Session)
	if err != nil {
		return "", err
	}
	minutes := (l.Until.Unix() + 59) / 60
	if l.Revision < 0 || l.Revision > 1<<16-1 || minutes < 0 || minutes > 1<<32-1 {
		return "", errors.New("revision or until: found more than fits")
	}
	plain = append(plain, session[:]...)
	plain = binary.BigEndian.AppendUint16(plain, uint16(l.Revision))
	plain = binary.BigEndian.AppendUint32(plain, uint32(minutes))
	return encoding.EncodeToString(k.all[0].Seal(nil, nil, plain, nil)), nil
}

// Open reads a link, or returns [ErrNoLink]. It does not look at a clock.
func (k *Keys) Open(text string) (Link, error) {
	if len(text) != Length {
		return Link{}, ErrNoLink
	}
	sealed, err := encoding.DecodeString(text)
	if err != nil {
		return Link{}, ErrNoLink
	}
	for _, key := range k.all {
		if plain, err := key.Open(nil, nil, sealed, nil); err == nil {
			return read(plain)
		}
	}
	return Link{}, ErrNoLink
}

func read(plain []byte) (Link, error) {
	if len(plain) != plainBytes {
		return Link{}, ErrNoLink
	}
	l := Link{Purpose: Purpose(plain[0]), Pathway: string(plain[1:7]), Revision: int(binary.BigEndian.Uint16(plain[10:])), Until: time.Unix(int64(binary.BigEndian.Uint32(plain[12:]))*60, 0).UTC()}
	var ok bool
	if l.Session, ok = unpack([3]byte(plain[7:10])); !ok || l.Purpose < Coming || l.Purpose > Leave || (l.Purpose == Leave) != (l.Session == "") {
		return Link{}, ErrNoLink
	}
	return l, nil
}

// kinds are numbered from 1 on, for good, as purposes are.
var kinds = pathway.Kind("").Options()

// pack writes a session's name, such as integration-2 or dosing-2.1, into three bytes.
func pack(session string) ([3]byte, error) {
	var b [3]byte
	if session == "" {
		return b, nil
	}
	var number, try int
	kind, rest, _ := strings.Cut(session, "-")
	n, _ := fmt.Sscanf(rest, "%d.%d", &number, &try)
	i := slices.Index(kinds, kind)
	if n > 0 && number > 0 && number < 256 && try >= 0 && try < 256 {
		b = [3]byte{byte(i + 1), byte(number), byte(try)}
	}
	if again, ok := unpack(b); !ok || again != session {
		return b, errors.New("session: found a name that has no room in a link")
	}
	return b, nil
}

func unpack(b [3]byte) (string, bool) {
	if b == [3]byte{} {
		return "", true
	}
	if b[0] == 0 || int(b[0]) > len(kinds) || b[1] == 0 {
		return "", false
	}
	name := fmt.Sprintf("%s-%d", kinds[b[0]-1], b[1])
	if b[2] > 0 {
		name += fmt.Sprintf(".%d", b[2])
	}
	return name, true
}

// Path is where the pages behind links are, below the address at which the web process is reached.
const Path = "/l/"

// Site makes the addresses that stand in mails.
type Site struct {
	Base string // such as https://desk.linden.example
	Keys *Keys
}

// URL is the address of a link.
func (s Site) URL(l Link) (string, error) {
	text, err := s.Keys.Seal(l)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(s.Base, "/") + Path + text, nil
}
