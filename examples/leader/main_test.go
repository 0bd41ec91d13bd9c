package main

func Example() {
	main()
	// Output:
	// ann leads and works
	// bob leads and works
	// ann leads and works
}
