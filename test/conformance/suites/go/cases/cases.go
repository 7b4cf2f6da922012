// Package cases runs cases of a client program and tells a line a case, as External.ts reads them.
package cases

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"
)

// Case is a named function that returns an error when something is not as it must be.
type Case struct {
	Name string
	Run  func(ctx context.Context) error
}

// Limit is how long one case may take.
const Limit = 60 * time.Second

// Topic makes a name that nobody has used.
func Topic(prefix string) string {
	var bytes [6]byte
	if _, err := rand.Read(bytes[:]); err != nil {
		panic(err)
	}
	return prefix + "-" + hex.EncodeToString(bytes[:])
}

// Expect compares what is printed of two values.
func Expect(what string, actual, expected any) error {
	if got, want := fmt.Sprint(actual), fmt.Sprint(expected); got != want {
		return fmt.Errorf("%s: expected %s, got %s", what, want, got)
	}
	return nil
}

// First gives the first error that is not nil.
func First(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Run runs all cases in order.
func Run(all []Case) {
	for _, one := range all {
		started := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), Limit)
		err := one.Run(ctx)
		cancel()
		verdict := "ok " + one.Name
		if err != nil {
			verdict = "not ok " + one.Name + ": " + strings.Join(strings.Fields(err.Error()), " ")
		}
		fmt.Fprintf(os.Stdout, "%s\t%.1f\n", verdict, time.Since(started).Seconds())
	}
}
