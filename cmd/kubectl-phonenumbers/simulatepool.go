package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/simulate"
)

// pools are the pool under each strategy that is asked for; none where no pool is.
func (f *simulateFlags) pools(fleet *simulate.Fleet) (pools []*simulate.Pool, err error) {
	switch {
	case f.pool == "" && len(f.strategies) > 0:
		return nil, usageErrorf("--strategy: goes with --pool")
	case f.pool == "":
		return nil, nil
	case fleet == nil:
		return nil, usageErrorf("--fleet: is missing: --pool selects numbers of it")
	case len(f.strategies) > 1 && (f.events == "-" || f.chart != ""):
		return nil, usageErrorf("--strategy: must be one where --events is the standard input, or with --chart")
	}
	pool, err := readPool(fleet, f.pool)
	if err != nil {
		return nil, usageErrorf("--pool: %w", err)
	}
	flag, strategies := "--strategy", f.strategies
	if len(strategies) == 0 {
		flag, strategies = "--pool", []string{string(pool.Strategy())}
	}
	for _, strategy := range strategies {
		with, err := pool.WithStrategy(v1alpha1.PoolStrategy(strategy))
		if err != nil {
			return nil, usageErrorf("%s: %w", flag, err)
		}
		pools = append(pools, with)
	}
	return pools, nil
}

// readPool is the NumberPool of the fleet of that name or, if there is none, the one in the file of that name.
func readPool(fleet *simulate.Fleet, name string) (*simulate.Pool, error) {
	resource, err := fleet.PoolNamed(name)
	if resource == nil && err == nil {
		resource, err = readPoolFile(fleet, name)
	}
	if err != nil {
		return nil, err
	}
	return fleet.Pool(resource)
}

func readPoolFile(fleet *simulate.Fleet, name string) (*v1alpha1.NumberPool, error) {
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		known := "it has none"
		if len(fleet.Pools) > 0 {
			known = "those are " + strings.Join(fleet.PoolNames(), ", ")
		}
		return nil, fmt.Errorf("%q is neither a file nor a NumberPool of the fleet: %s", name, known)
	} else if err != nil {
		return nil, err
	}
	pool, err := simulate.ReadPool(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return pool, nil
}

// compare plays the events under each strategy, and writes what becomes of the pool.
func (f *simulateFlags) compare(cmd *cobra.Command, config simulate.Config, pools []*simulate.Pool) error {
	var results []*simulate.PoolResult
	for _, pool := range pools {
		config.Pool = pool
		result, err := f.draw(cmd, config)
		if err != nil {
			return err
		}
		results = append(results, result.Pool)
	}
	if f.output == outputJSON {
		return simulate.WritePoolsJSON(cmd.OutOrStdout(), results)
	}
	return simulate.WritePoolsTable(cmd.OutOrStdout(), results)
}
