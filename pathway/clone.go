package pathway

import (
	"reflect"
	"time"
)

// Clone is a copy that shares no memory with p. Each message that is taken makes several: through JSON they were the greatest part of
// what the worker did.
func (p *Pathway) Clone() *Pathway {
	q := *p
	unshare(reflect.ValueOf(&q).Elem())
	return &q
}

// unshare copies what a value refers to. What it holds is exported, as in all that continues as new.
func unshare(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			own := reflect.New(v.Type().Elem())
			own.Elem().Set(v.Elem())
			unshare(own.Elem())
			v.Set(own)
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(own, v)
		v.Set(own)
		if k := own.Type().Elem().Kind(); k == reflect.Struct || k == reflect.Pointer || k == reflect.Slice {
			for i := range own.Len() {
				unshare(own.Index(i))
			}
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			unshare(v.Field(i))
		}
	}
}
