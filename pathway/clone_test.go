package pathway

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

func TestACloneIsEqualAndSharesNothing(t *testing.T) {
	t.Parallel()
	copied(t, reflect.TypeFor[Pathway](), "Pathway", map[reflect.Type]bool{})
	p := new(Pathway)
	populate(reflect.ValueOf(p).Elem(), 0)
	q := p.Clone()
	if !reflect.DeepEqual(p, q) {
		t.Error("the clone is another than the pathway")
	}
	shared(t, "Pathway", reflect.ValueOf(p).Elem(), reflect.ValueOf(q).Elem())

	if q := new(Pathway).Clone(); !reflect.DeepEqual(q, new(Pathway)) {
		t.Errorf("the clone of an empty pathway: %+v", q)
	}
}

// copied finds what Clone would share: kinds of values of which nobody has thought.
func copied(t *testing.T, of reflect.Type, at string, seen map[reflect.Type]bool) {
	t.Helper()
	if seen[of] || of == reflect.TypeFor[time.Time]() {
		return
	}
	seen[of] = true
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		copied(t, of.Elem(), at, seen)
	case reflect.Struct:
		for f := range of.Fields() {
			if f.IsExported() {
				copied(t, f.Type, at+"."+f.Name, seen)
			} else if f.Name != "correcting" { // which is empty while nobody corrects anything
				t.Errorf("%s.%s is not exported", at, f.Name)
			}
		}
	case reflect.Map, reflect.Array, reflect.Interface, reflect.Func, reflect.Chan:
		t.Errorf("%s: found a %s, expected what Clone copies", at, of.Kind())
	}
}

// populate gives every pointer something to point to, and every slice elements.
func populate(v reflect.Value, depth int) {
	switch {
	case !v.CanSet() || depth > 12: // a fact may hold one
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 2, 2, 14, 0, 0, 0, time.UTC)))
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("at depth ", depth))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		populate(v.Elem(), depth+1)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 3))
		for i := range v.Len() {
			populate(v.Index(i), depth+1)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			populate(v.Field(i), depth+1)
		}
	}
}

// shared finds memory that both values refer to.
func shared(t *testing.T, at string, a, b reflect.Value) {
	t.Helper()
	switch a.Kind() {
	case reflect.Pointer:
		if !a.IsNil() {
			if a.Pointer() == b.Pointer() {
				t.Errorf("%s is shared", at)
			}
			shared(t, at, a.Elem(), b.Elem())
		}
	case reflect.Slice:
		if a.Len() > 0 && a.Pointer() == b.Pointer() {
			t.Errorf("%s is shared", at)
		}
		for i := range a.Len() {
			shared(t, fmt.Sprintf("%s[%d]", at, i), a.Index(i), b.Index(i))
		}
	case reflect.Struct:
		if a.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range a.NumField() {
			shared(t, at+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	}
}
