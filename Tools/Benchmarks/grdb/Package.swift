// swift-tools-version: 6.2
import PackageDescription

// Built by 'Tools/peers records' only: GRDB is a peer that Engram is compared with.
let package = Package(
  name: "grdb-peer",
  dependencies: [.package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0")],
  targets: [
    .executableTarget(name: "grdb-peer", dependencies: [.product(name: "GRDB", package: "GRDB.swift")], path: "Sources/GRDBPeer")
  ]
)
