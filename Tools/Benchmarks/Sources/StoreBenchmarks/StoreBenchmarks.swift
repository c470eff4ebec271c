import ArgumentParser

@main struct StoreBenchmarks: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "store-benchmarks", abstract: "Measures the store.",
    subcommands: [
      Speed.self, Load.self, LoadReader.self, Lifecycle.self, LifecycleWorker.self, PeerWorker.self, VectorPeer.self, RecordPeer.self,
    ],
    defaultSubcommand: Speed.self)
}
