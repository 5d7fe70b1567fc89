package verify_test

import (
	"go/ast"
	"go/importer"
	"go/types"
	"testing"
)

// Package verify shares no code with the rules: of package pathway it uses names, types and their fields, and calls nothing.
func TestVerifyCallsNoRule(t *testing.T) {
	t.Parallel()
	var files []*ast.File
	for _, file := range sources(t) {
		files = append(files, file)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	if _, err := config.Check("kap/verify", fset, files, info); err != nil {
		t.Fatal(err)
	}
	used := 0
	for name, object := range info.Uses {
		if object.Pkg() == nil || object.Pkg().Path() != "kap/pathway" {
			continue
		}
		used++
		if _, function := object.(*types.Func); function {
			t.Errorf("%s: %s is a rule's own code", fset.Position(name.Pos()), object)
		}
	}
	if used < 100 {
		t.Errorf("only %d names of package pathway are seen", used)
	}
}
