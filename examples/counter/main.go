// Counter is a node of a fleet that keeps a counter. It adds one, says what came of
// it, and ends; started again on the same folder it goes on counting.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
)

func main() {
	zone := flag.String("zone", "a", "the failure domain that this process stands in")
	dir := flag.String("data", "counter-data", "where the node keeps its data")
	flag.Parse()
	n, err := count(context.Background(), *zone, *dir, flag.Args()...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("orders:", n)
}
