import Engram
import Foundation
import TestSupport
import Testing

/// What a report of a fault should name.
@Suite struct VersionTests {
  private let executable: String

  init() throws { executable = try TestProcess.executable("memtool") }

  /// The lines of `--version`, by their names.
  private func facts(environment: [String: String] = [:]) throws -> [String: String] {
    let outcome = try Subprocess.run(executable, ["--version"], environment: environment)
    #expect(outcome.termination == .exited(0) && outcome.standardError.isEmpty, "\(outcome)")
    let lines = outcome.standardOutput.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1) }
    #expect(lines.map { $0.first } == ["memtool", "format", "commit", "kernel", "BLAS", "LMDB"], "\(outcome.standardOutput)")
    return Dictionary(uniqueKeysWithValues: lines.map { (String($0[0]), $0[1].trimmingCharacters(in: .whitespaces)) })
  }

  @Test func versionNamesWhatAReportOfAFaultNeeds() throws {
    let facts = try facts()
    #expect(facts["memtool"] == EngramBuild.version)
    #expect(EngramBuild.version.wholeMatch(of: /(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)/) != nil)
    #expect(facts["format"] == "1, opens 1" && EngramBuild.format == 1 && EngramBuild.readableFormats == 1...1)
    let commit = try #require(facts["commit"])
    #expect(commit == "unknown" || commit.wholeMatch(of: /[0-9a-f]{12,40}(\+changes)?/) != nil, "\(commit)")
    #expect(commit == EngramBuild.commit ?? "unknown")
    let blas = try #require(facts["BLAS"])
    #expect(blas == EngramBuild.blasPath && FileManager.default.isReadableFile(atPath: blas), "\(blas)")
    // Without links: the name says which implementation it is.
    #expect(URL(fileURLWithPath: blas).resolvingSymlinksInPath().path == blas)
    #expect(facts["LMDB"]?.hasPrefix("0.9.") == true, "\(facts)")
  }

  @Test func theKernelIsTheOneThatSearchesUse() throws {
    #expect(try facts(environment: ["ENGRAM_SEARCH_LEVEL": "portable"])["kernel"] == "portable")
    let names = ["portable", "AVX2", "AVX-512", "NEON", "NEON with dot products"]
    // Nothing that the variable can say: the widest.
    let kernel = try #require(try facts(environment: ["ENGRAM_SEARCH_LEVEL": ""])["kernel"])
    #expect(names.contains(kernel), "\(kernel)")
    #if os(Linux) && arch(x86_64)
      let processor = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
      let flags = Set(processor.split(separator: "\n").first { $0.hasPrefix("flags") }?.split(separator: " ") ?? [])
      let isWide = ["avx512f", "avx512vl", "avx512bw", "avx512_vnni"].allSatisfy { flags.contains($0) }
      #expect(kernel == (isWide ? "AVX-512" : flags.contains("avx2") ? "AVX2" : "portable"))
    #endif
  }

  /// BLAS is chosen by the dynamic linker, not when the program is built.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: Self.reference), "the reference BLAS is not installed"))
  func anotherBLASIsNamed() throws {
    let folder = URL(fileURLWithPath: Self.reference).deletingLastPathComponent().path
    #expect(try facts(environment: ["LD_LIBRARY_PATH": folder])["BLAS"]?.hasPrefix(folder + "/") == true)
  }
  private static let reference = "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3"
}
