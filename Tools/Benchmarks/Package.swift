// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that the library's users never build it.
let package = Package(
  name: "benchmarks",
  dependencies: [
    .package(name: "engram", path: "../.."),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
  ],
  targets: [
    .systemLibrary(name: "CRawLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
    .executableTarget(
      name: "store-benchmarks",
      dependencies: [
        "CRawLMDB",
        .product(name: "Engram", package: "engram"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Sources/StoreBenchmarks"),
  ]
)
