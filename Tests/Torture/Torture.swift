import ArgumentParser

/// Attacks the commit protocol; `Tools/torture` builds and runs it.
@main
struct Torture: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "torture",
    abstract: "Attack Engram stores with kills, faults, full disks, power cuts, torn writes and hostile files, and check histories.",
    discussion: """
      Each tier runs case after case until its time is over, and compares what is recovered with what was acknowledged. Exit code 0: no \
      violation; 1: at least one, with the command that repeats it, or a tier that injected nothing; 77: no violation, but a tier could not be \
      run here.

      EXAMPLES
        Tools/torture --tier kill --minutes 5
        Tools/torture --all --minutes 1
        Tools/torture --tier faults --seed 7 --case 123
        Tools/torture --planted all
      """,
    subcommands: [
      Run.self, Worker.self, Check.self, DamageCheck.self, SpaceWorker.self, SurfaceWorker.self, HistoryWorker.self, HistoryEndCheck.self,
      ReembedWorker.self,
    ],
    defaultSubcommand: Run.self)
}
