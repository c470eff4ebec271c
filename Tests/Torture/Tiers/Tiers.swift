/// All tiers, in the order of `--all`.
enum Tiers {
  static let all: [any Tier.Type] = [
    KillTier.self, CrowdTier.self, HistoryTier.self, FaultTier.self, LimitTier.self, HostileTier.self, SurroundingsTier.self,
    PowerTier.self, TornTier.self, SpaceTier.self, MovedTier.self, SurfaceTier.self, ReembedTier.self,
  ]

  static func named(_ name: String) -> (any Tier.Type)? { all.first { $0.name == name } }
}
