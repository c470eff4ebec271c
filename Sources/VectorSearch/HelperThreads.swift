import CSearchKernels
import Dispatch
import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Work that several threads do together, each as much as it gets.
package protocol SharedWork: AnyObject, Sendable {
  /// Does parts of the work until none is left. Called on a helping thread; the caller of ``HelperThreads/offer(_:limit:)`` may have finished
  /// meanwhile.
  func help()
}

/// Threads that help to search: one for each processor but one, for the whole process, started when they are first wanted.
///
/// A thread takes one piece of work at a time, so concurrent searches never run on more helpers than there are processors. After its work a thread
/// waits actively for some microseconds before it sleeps, because waking it can take longer than a search. A caller never waits for a thread
/// that has not begun: it withdraws what it has offered.
package final class HelperThreads: Sendable {
  package static let shared = HelperThreads(count: ProcessInfo.processInfo.activeProcessorCount - 1)

  /// Threads that still work when the owner of the work has left.
  static let late = DispatchGroup()

  private let threads: [Helper]
  package var count: Int { threads.count }

  package init(count: Int) {
    threads = (0..<max(0, count)).map { _ in Helper() }
  }

  /// Offers work to threads that have none.
  ///
  /// - Parameter limit: The most threads.
  /// - Returns: What was offered, to be withdrawn at the end of the work.
  package func offer(_ work: any SharedWork, limit: Int) -> Offer {
    var offer = Offer(work)
    for helper in threads where offer.helpers.count < limit {
      if helper.offer(work) { offer.helpers.append(helper) }
    }
    return offer
  }

  /// Wakes threads that sleep, because work will be offered soon: they wake while the caller prepares it.
  ///
  /// - Parameter limit: The most threads.
  package func rouse(limit: Int) {
    for helper in threads.prefix(max(0, limit)) { helper.rouse() }
  }

  /// Threads to which work was offered.
  package struct Offer: ~Copyable {
    private let work: any SharedWork
    fileprivate var helpers: [Helper] = []

    fileprivate init(_ work: any SharedWork) { self.work = work }

    /// How many threads have been asked.
    package var count: Int { helpers.count }

    /// Threads that have not begun do not begin any more.
    package func withdraw() {
      for helper in helpers { helper.withdraw(work) }
    }
  }

  /// One thread.
  fileprivate final class Helper: Sendable {
    private struct State {
      var work: (any SharedWork)?
      var isStarted = false
      var isBusy = false
      var isAsleep = false
    }

    private let state = Mutex(State())
    /// Whether it is worth the lock to look for work.
    private let isWanted = Atomic(false)
    private let wakeUp = DispatchSemaphore(value: 0)

    /// How long a thread looks out for work before it sleeps.
    private static let spinNanoseconds: UInt64 = 50_000

    func offer(_ work: any SharedWork) -> Bool {
      enum Outcome { case refused, taken, asleep, new }
      let outcome = state.withLock { state -> Outcome in
        guard !state.isBusy, state.work == nil else { return .refused }
        state.work = work
        defer {
          state.isAsleep = false
          state.isStarted = true
        }
        return !state.isStarted ? .new : state.isAsleep ? .asleep : .taken
      }
      switch outcome {
      case .refused: return false
      case .taken: isWanted.store(true, ordering: .releasing)
      case .asleep:
        isWanted.store(true, ordering: .releasing)
        wakeUp.signal()
      case .new: start()
      }
      return true
    }

    func rouse() {
      let isRoused = state.withLock { state in
        defer { state.isAsleep = false }
        return state.isAsleep
      }
      if isRoused { wakeUp.signal() }
    }

    func withdraw(_ work: any SharedWork) {
      state.withLock { state in
        if state.work === work { state.work = nil }
      }
    }

    /// A system without a thread to spare gets none: the work is withdrawn by its owner, and the next one tries again.
    private func start() {
      // SAFETY: released by the thread, or below if there is none.
      let argument = unsafe Unmanaged.passRetained(self).toOpaque()
      let code = unsafe withUnsafeTemporaryAllocation(of: pthread_attr_t.self, capacity: 1) { memory in
        let attributes = memory.baseAddress!
        unsafe pthread_attr_init(attributes)
        defer { unsafe pthread_attr_destroy(attributes) }
        unsafe pthread_attr_setdetachstate(attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        // A signal of the program is not for a helping thread to handle.
        var (all, old) = (sigset_t(), sigset_t())
        unsafe sigfillset(&all)
        // But one of the thread itself is for the program's handlers: of a crash, or of a profiler.
        for signal in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT, SIGPROF] { unsafe sigdelset(&all, signal) }
        unsafe pthread_sigmask(SIG_SETMASK, &all, &old)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &old, nil) }
        return unsafe pthread_create(
          &thread, attributes,
          { argument in
            // SAFETY: retained above.
            unsafe Unmanaged<Helper>.fromOpaque(argument!).takeRetainedValue().run()
            return nil
          }, argument)
      }
      if code == 0 { return }
      unsafe Unmanaged<Helper>.fromOpaque(argument).release()
      state.withLock { $0.isStarted = false }
    }

    private func run() {
      while true {
        if helpOnce() { continue }
        let end = DispatchTime.now().uptimeNanoseconds + Self.spinNanoseconds
        while !isWanted.load(ordering: .acquiring), DispatchTime.now().uptimeNanoseconds < end { search_pause() }
        if isWanted.exchange(false, ordering: .acquiringAndReleasing) { continue }
        let sleeps = state.withLock { state in
          state.isAsleep = state.work == nil
          return state.isAsleep
        }
        if sleeps { wakeUp.wait() }
      }
    }

    /// - Returns: Whether there was work.
    private func helpOnce() -> Bool {
      let work = state.withLock { state -> (any SharedWork)? in
        state.isBusy = state.work != nil
        return state.work.take()
      }
      guard let work else { return false }
      Self.help(consume work)
      state.withLock { $0.isBusy = false }
      return true
    }

    /// Consumes the work: afterwards the thread has no reference to it.
    @inline(never)
    private static func help(_ work: consuming any SharedWork) { work.help() }
  }
}
