//go:build !race

package pathway

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// Each rule that blocks a dosing session is taken away in turn: then an invariant has to fail. At first it has to be one about
// what is booked and what takes place; what staff are shown counts only where no history can get so far. This test is not
// parallel, and those that are wait for it; the race detector, which has nothing to find here, would make it take too long.
func TestInvariantsMissEachRuleThatIsTakenAway(t *testing.T) {
	all, names := rules, ruleNames(t)
	defer func() { rules = all }()
	for i := range all {
		rules = slices.Delete(slices.Clone(all), i, i+1)
		b := run(3000, func(h *history) { h.removed, h.blind = true, true })
		if b.first == 0 {
			b = run(8000, func(h *history) { h.removed = true })
		}
		rules = all
		if b.first == 0 {
			t.Errorf("without rule %d, %s, no invariant fails in %d histories", i+1, names[i], b.n)
			continue
		}
		why, _, _ := strings.Cut(b.why, "\n")
		t.Logf("%-17s is missed in history %d: %s", names[i], b.first, why)
	}
}

// ruleNames are the functions in the list of rules, in its order, as its source has them.
func ruleNames(t *testing.T) []string {
	file, err := parser.ParseFile(token.NewFileSet(), "blockers.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file.Scope.Lookup("rules").Decl.(ast.Node), func(n ast.Node) bool {
		if f, ok := n.(*ast.SelectorExpr); ok && f.Sel.Name != "Time" {
			names = append(names, f.Sel.Name)
		}
		return true
	})
	if len(names) != len(rules) {
		t.Fatalf("%d names for %d rules: %v", len(names), len(rules), names)
	}
	return names
}
