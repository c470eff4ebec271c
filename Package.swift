// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("ExistentialAny"),
]

/// `@_lifetime`: lets the compiler prove that a borrowed value does not outlive its transaction or map.
let lifetimes: [SwiftSetting] = strict + [.enableExperimentalFeature("Lifetimes")]

/// The commit that `memtool --version` names. The scripts in `Tools` set it; a plain build has none, so that a new commit alone rebuilds nothing.
let commit = Context.environment["ENGRAM_COMMIT"] ?? ""
if commit.contains(where: { !$0.isASCII || !($0.isLetter || $0.isNumber || $0 == "+") }) {
  fatalError("ENGRAM_COMMIT may have letters, digits and '+' only: '\(commit)'")
}

let package = Package(
  name: "engram",
  products: [
    .library(name: "Engram", targets: ["Engram"]),
    .library(name: "EngramBERT", targets: ["EngramBERT"]),
    .library(name: "EngramHTTP", targets: ["EngramHTTP"]),
    .library(name: "EngramMCP", targets: ["EngramMCP"]),
    .executable(name: "memtool", targets: ["memtool"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
  ],
  targets: [
    .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"]), .brew(["lmdb"])]),
    .systemLibrary(name: "CBLAS", pkgConfig: "blas", providers: [.apt(["libblas-dev"]), .brew(["openblas"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"]), .brew(["xxhash"])]),
    .systemLibrary(name: "CStemmer", providers: [.apt(["libstemmer-dev"]), .brew(["snowball"])]),
    .target(name: "Checksums", dependencies: ["CXXHash"], swiftSettings: strict),
    .systemLibrary(name: "CStatfs"),
    .target(name: "Formats", swiftSettings: strict),
    .target(name: "Files", dependencies: ["CStatfs"], swiftSettings: strict),
    .target(name: "LMDB", dependencies: ["CLMDB", "Checksums", "Files"], swiftSettings: lifetimes),
    .target(name: "VectorSearch", dependencies: ["CBLAS", "CSearchKernels", "Checksums", "Files"], swiftSettings: lifetimes),
    .target(name: "CSearchKernels"),
    .target(name: "CBuildFacts", cSettings: commit.isEmpty ? [] : [.define("ENGRAM_COMMIT", to: commit)]),
    .target(
      name: "Engram",
      dependencies: [
        "CBuildFacts", "CSearchKernels", "CStemmer", "Checksums", "Files", "Formats", "LMDB", "VectorSearch",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
      ],
      swiftSettings: lifetimes),
    .target(name: "CBertKernels"),
    // Embedders for those who want one: the core does without.
    .target(name: "EngramBERT", dependencies: ["CBertKernels", "Checksums", "Engram", "Files", "Formats"], swiftSettings: strict),
    .target(name: "CCurl"),
    .target(name: "EngramHTTP", dependencies: ["CCurl", "Checksums", "Engram", "Formats"], swiftSettings: strict),
    // A server for assistants: a client of the library, which sees its public surface only.
    .target(
      name: "EngramMCP", dependencies: ["Engram", "Formats", .product(name: "Logging", package: "swift-log")], packageAccess: false,
      swiftSettings: strict),
    .executableTarget(
      name: "memtool",
      dependencies: [
        "Engram", "EngramBERT", "EngramHTTP", "EngramMCP", "Formats", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Tools/memtool",
      // A client of the library: the compiler lets it see what any other program sees.
      packageAccess: false,
      swiftSettings: lifetimes),
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    .target(name: "SurfaceCalls", dependencies: ["Engram"], path: "Tests/SurfaceCalls", swiftSettings: strict),
    .target(name: "TestTraps", path: "Tests/TestTraps", swiftSettings: strict),
    .executableTarget(name: "TestChild", dependencies: ["Files", "LMDB"], path: "Tests/TestChild", swiftSettings: strict),
    .testTarget(name: "FormatsTests", dependencies: ["Formats", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "FilesTests", dependencies: ["Files", "TestSupport", "TestTraps", "TestChild"], swiftSettings: strict),
    .testTarget(
      name: "LMDBTests", dependencies: ["Checksums", "Files", "LMDB", "TestSupport", "TestTraps", "TestChild"], swiftSettings: lifetimes),
    .testTarget(
      name: "VectorSearchTests", dependencies: ["CBLAS", "Checksums", "Files", "TestSupport", "TestTraps", "VectorSearch"],
      swiftSettings: lifetimes),
    .executableTarget(
      name: "EngramTestChild", dependencies: ["Engram", "SurfaceCalls", .product(name: "Metrics", package: "swift-metrics")],
      path: "Tests/EngramTestChild", swiftSettings: strict),
    .testTarget(
      name: "EngramTests",
      dependencies: [
        "CSearchKernels", "Checksums", "Engram", "EngramTestChild", "Files", "Formats", "LMDB", "TestSupport", "VectorSearch",
      ],
      exclude: ["Fixtures"],
      swiftSettings: lifetimes),
    .testTarget(
      name: "EngramBERTTests", dependencies: ["CBertKernels", "Engram", "EngramBERT", "Formats", "TestSupport"],
      exclude: ["Fixtures", "make_fixtures.py"],
      swiftSettings: strict),
    .testTarget(name: "EngramHTTPTests", dependencies: ["Engram", "EngramHTTP", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "EngramMCPTests", dependencies: ["Engram", "EngramMCP", "Formats", "TestSupport"], exclude: ["clients.py"],
      swiftSettings: strict),
    // Like any other program: no package symbols.
    .executableTarget(
      name: "ClientSnippets", dependencies: ["Engram"], path: "Tests/ClientSnippets", packageAccess: false, swiftSettings: strict),
    .testTarget(
      name: "EngramClientTests", dependencies: ["ClientSnippets", "Engram", "TestSupport"], packageAccess: false, swiftSettings: strict),
    .testTarget(
      name: "MemtoolTests", dependencies: ["Engram", "EngramTestChild", "Files", "Formats", "LMDB", "TestSupport", "memtool"],
      swiftSettings: lifetimes
    ),
  ]
)

// The harness that attacks stores, and its tests: `Tools/test` and `Tools/torture` build it, `swift build` does not.
if Context.environment["ENGRAM_HARNESS"] != nil {
  package.products.append(.library(name: "TortureClock", type: .dynamic, targets: ["TortureClock"]))
  package.targets += [
    .executableTarget(
      name: "BertProbe", dependencies: ["Engram", "EngramBERT", "Formats"], path: "Tests/BertProbe",
      exclude: ["check.py", "compare.py", "reference.py", "texts.py"], swiftSettings: strict),
    .target(name: "TortureClock", path: "Tests/TortureClock"),
    .executableTarget(name: "TortureTracer", path: "Tests/TortureTracer"),
    .executableTarget(
      name: "Torture",
      dependencies: [
        "Engram", "Files", "Formats", "LMDB", "SurfaceCalls", "TestSupport",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Tests/Torture",
      exclude: ["Defects"],
      swiftSettings: lifetimes),
    .testTarget(
      name: "TortureTests", dependencies: ["Files", "Formats", "TestChild", "TestSupport", "Torture", "TortureTracer"],
      swiftSettings: strict),
  ]
}

// The product optimised in a debug build: under the address sanitizer, plain code takes five times as long, and the memory that is used wrongly
// is the same. Its tests are compiled as ever. Flags like these are refused in a dependency, so that they are set for `Tools/test` only.
if Context.environment["ENGRAM_OPTIMIZED"] != nil {
  for target in package.targets where [.regular, .executable].contains(target.type) && target.path?.hasPrefix("Tests/") != true {
    target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-O"])]
    target.cSettings = (target.cSettings ?? []) + [.unsafeFlags(["-O2"])]
  }
}

// The fuzz targets are the sources of a test, which replays the corpora. `Tools/fuzz` builds a program for libFuzzer of them instead; not
// both at once, as a plain release build shows nobody the internals that they reach.
if Context.environment["ENGRAM_FUZZ"] == nil {
  package.targets.append(
    .testTarget(
      name: "FuzzTests", dependencies: ["Engram", "Files", "Formats", "LMDB", "TestSupport", "VectorSearch"], path: "Tests/Fuzz",
      exclude: ["Corpora", "Fuzzer", "fuzz.dict"], swiftSettings: lifetimes))
} else {
  package.targets += [
    .systemLibrary(name: "CLibFuzzer", path: "Tests/Fuzz/Fuzzer/CLibFuzzer"),
    .executableTarget(
      name: "EngramFuzz", dependencies: ["CLibFuzzer", "Engram", "Files", "Formats", "LMDB", "TestSupport", "VectorSearch"],
      path: "Tests/Fuzz",
      exclude: ["Corpora", "Fuzzer/CLibFuzzer", "ReplayTests.swift", "fuzz.dict"], swiftSettings: lifetimes),
  ]
}
