//! Why a withdrawal waits or ended: a code for machines, a sentence for people, both from one catalogue.

use serde::{Deserialize, Serialize};

/// A language of the sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    #[default]
    En,
    Zh,
}

/// Each code once: its variant, its name, and its sentence in each language.
macro_rules! catalogue {
    ($($(#[$doc:meta])* $code:ident $name:literal { $en:literal, $zh:literal })*) => {
        /// A machine code. Each names its cause; [`Code::sentence`] says it in words, with what happens next.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[$doc])* $code,)*
        }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$code),*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }

            /// What happened, and what happens next or what the reader can do.
            pub fn sentence(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$code, Language::En) => $en, (Self::$code, Language::Zh) => $zh,)*
                }
            }
        }
    };
}

catalogue! {
    /// The float of the asset is below the amount.
    FloatInsufficient "float_insufficient" {
        "The vault holds less of this asset than the amount. It is paid as soon as the float is topped up.",
        "金库中该资产的余额低于此金额。补足后会自动支付。"
    }
    /// The same, and the asset cannot be bought now.
    RefillFailed "refill_failed" {
        "The vault holds less of this asset than the amount, and could not exchange other assets for it just now. It is tried again by itself; it is paid as soon as the float is topped up.",
        "金库中该资产的余额低于此金额，目前也无法用其他资产兑换。系统会自动重试；补足后会自动支付。"
    }
    /// It was held for longer than the operator allows.
    HoldExpired "hold_expired" {
        "The vault did not hold enough of this asset in time. Nothing was paid: submit again with a new idempotency key once the float is topped up.",
        "金库未能及时补足该资产。没有付款：请在补足后使用新的幂等键重新提交。"
    }
    /// The deployment no longer lists the asset.
    AssetNotListed "asset_not_listed" {
        "The vault does not list this asset. Nothing was paid.",
        "金库不支持该资产。没有付款。"
    }
    /// The recipient is the vault, the asset or zero.
    BadRecipient "bad_recipient" {
        "The recipient is the vault, the token or the zero address. Nothing was paid: submit again with the right recipient.",
        "收款地址是金库、代币合约或零地址。没有付款：请使用正确的收款地址重新提交。"
    }
    /// The recipient did not take the money: it waits as a claim.
    PushFailed "push_failed" {
        "The recipient did not accept the transfer. The vault keeps the money for it: the recipient calls claim(asset, to).",
        "收款方未能接收转账。金库为其保留这笔款项：由收款方调用 claim(asset, to) 领取。"
    }
    /// The chain gave up the number without a payment; the withdrawal gets a new one.
    NumberVoided "number_voided" {
        "Its place in the queue was given up without a payment. It is queued again by itself.",
        "它的队列序号已作废且没有付款。系统会自动重新排队。"
    }
    /// The requester took the request back, on chain.
    CancelledByOwner "cancelled_by_owner" {
        "The requester took it back into the balance on chain.",
        "申请人已在链上取消，款项已退回其余额。"
    }
    /// The caller took the order back before it was in a batch.
    CancelledByCaller "cancelled_by_caller" {
        "It was taken back by the caller before it was in a batch. Nothing was paid and nothing will be: submit again with a new idempotency key if it is still wanted.",
        "提交方在进入批次之前已将其取消。没有付款，以后也不会付款：如仍需要，请使用新的幂等键重新提交。"
    }
    /// The requester paid himself after the exit delay.
    ForcedByOwner "forced_by_owner" {
        "The requester paid it out on chain without the keeper.",
        "申请人已在链上自行提取，未经过 keeper。"
    }
    /// The books were behind: the chain shows that this was paid before.
    HealedFromChain "healed_from_chain" {
        "The chain shows that it was paid before. Nothing is paid again.",
        "链上显示此前已经支付。不会重复付款。"
    }
    /// A reorganisation took the transaction out of the chain.
    Reorged "reorged" {
        "The chain dropped the block that held the payment. The same payment is sent again.",
        "包含该付款的区块被链重组移除。同一笔付款会再次发送。"
    }
    /// The transaction was mined and reverted.
    Reverted "reverted" {
        "The payment transaction was refused by the chain. It is sent again when a simulation passes.",
        "付款交易在链上执行失败。模拟通过后会再次发送。"
    }
    /// The account's nonce was used by another transaction.
    NonceTaken "nonce_taken" {
        "Another transaction of the signing account took the payment's place. It is sent again.",
        "签名账户的另一笔交易占用了该付款的 nonce。付款会再次发送。"
    }
    /// Paying it would cost more than the operator's share of the amount: it waits for a cheaper moment.
    FeeAboveShare "fee_above_share" {
        "The network fee is too high for this amount now. It is paid when the fee falls, or as the operator decides for those that waited long.",
        "目前的网络费用相对此金额过高。费用下降后会支付；等待过久时按运营方的设置处理。"
    }
    /// The fee stayed too high for as long as the operator waits.
    FeeHoldExpired "fee_hold_expired" {
        "The network fee stayed too high for this amount. Nothing was paid: submit again with a new idempotency key, or a larger amount.",
        "网络费用相对此金额一直过高。没有付款：请使用新的幂等键重新提交，或提高金额。"
    }
    /// Its deadline passed before it was paid.
    DeadlinePassed "deadline_passed" {
        "Its deadline passed before it was paid. Nothing was paid and nothing will be: submit again with a new idempotency key if it is still wanted.",
        "在支付之前已超过截止时间。没有付款，以后也不会付款：如仍需要，请使用新的幂等键重新提交。"
    }
    /// It was replaced as often as allowed: its nonce is given up, and it is signed again.
    Stuck "stuck" {
        "The payment transaction was not mined at any fee offered. It is withdrawn and sent again.",
        "付款交易在各档费用下均未被打包。它会被撤回并重新发送。"
    }
    /// A nonce of the lane was held by nothing, and what waits above it could not be mined.
    NonceGap "nonce_gap" {
        "A transaction of the signing account is missing on chain. An empty one takes its place.",
        "签名账户在链上缺少一笔交易。会用一笔空交易补上。"
    }
    /// The vault, or the asset in it, is paused.
    Paused "paused" {
        "Payments are paused by a guardian or by the breaker. The pause ends by itself, and then it is paid.",
        "守护者或熔断器已暂停付款。暂停会自动结束，随后支付。"
    }
    /// More than may leave the vault now.
    AboveLimit "above_limit" {
        "The limit of what may leave the vault is used up for now. It refills by itself, and then it is paid.",
        "金库的流出额度暂时用尽。额度会自动恢复，随后支付。"
    }
    /// Above what the keeper pays alone.
    AboveTier "above_tier" {
        "The amount is above what is paid without approval. It is paid once approvers sign it, or once it was announced for long enough.",
        "金额超过无需审批的上限。审批人签名，或公告期满之后支付。"
    }
    /// The signing account is not enabled on chain.
    LaneDisabled "lane_disabled" {
        "The account that pays it is disabled on chain. It is paid once governance enables it.",
        "付款账户已在链上停用。由治理重新启用后支付。"
    }
    /// No signing account with room can pay for its gas.
    LaneOutOfGas "lane_out_of_gas" {
        "The accounts that pay are short of money for network fees. It is paid once the operator sends them some.",
        "付款账户的手续费余额不足。运营方充值后支付。"
    }
    /// The chain has the lane elsewhere than the books.
    LaneMismatch "lane_mismatch" {
        "The books of the payment account are behind the chain. They catch up by themselves, and then it is paid.",
        "付款账户的账本落后于链。账本会自动追上，随后支付。"
    }
    /// The network asks for more than the operator's ceiling.
    FeeCeiling "fee_ceiling" {
        "The network fee is above the operator's ceiling. It is paid when the fee falls, or when the ceiling is raised.",
        "网络费用高于运营方设定的上限。费用下降或上限提高后支付。"
    }
    /// It needs more gas than one transaction may use.
    TooMuchGas "too_much_gas" {
        "Paying it needs more gas than one transaction may use. The operator has to look at the asset.",
        "支付它所需的 gas 超过单笔交易的上限。需要运营方检查该资产。"
    }
    /// The vault or the node refuses for a reason that the keeper has no name for.
    Refused "refused" {
        "The vault refuses the payment now. It is tried again by itself; the operator sees the cause.",
        "金库目前拒绝该付款。系统会自动重试；运营方可以看到原因。"
    }
    /// The endpoints do not agree on what became of it.
    Uncertain "uncertain" {
        "The chain's nodes do not agree on what became of the payment. Nothing is sent again until they do.",
        "各节点对该付款的结果意见不一。在达成一致之前不会重新发送。"
    }
    /// No endpoint takes the transaction.
    ChainUnreachable "chain_unreachable" {
        "No node of the chain answers the keeper now. It is tried again each second and sent when one does.",
        "目前没有链节点响应 keeper。系统会持续重试，恢复后立即发送。"
    }
    /// No keeper runs that could do the next step.
    KeeperDown "keeper_down" {
        "No keeper runs that could do the next step. It goes on where it was as soon as the operator starts one.",
        "目前没有可执行下一步的 keeper 在运行。运营方启动后会从原处继续。"
    }
    /// The store may have gone back in time: what is in flight is voided first.
    Fenced "fenced" {
        "The keeper first makes sure that nothing sent before can still be paid. That ends by itself after some final blocks.",
        "keeper 正在确认此前发送的付款不会再生效。若干最终区块之后会自动继续。"
    }
    /// Its batch was offered to the approvers.
    AwaitsReview "awaits_review" {
        "The amount is above what is paid without approval. It is offered to the approvers and paid once enough of them have signed.",
        "金额超过无需审批的上限。已提交审批人，足够多的审批人签名后支付。"
    }
    /// A reviewer refused it.
    RejectedInReview "rejected_in_review" {
        "A reviewer refused it, for the reason given with it. Nothing was paid and nothing will be: mend what the reason names, or ask the operator, then submit again with a new idempotency key.",
        "审核人已拒绝，原因已注明。没有付款，以后也不会付款：请按原因处理或联系运营方，之后使用新的幂等键重新提交。"
    }
    /// It is announced on chain, or about to be.
    AwaitsAnnouncement "awaits_announcement" {
        "The amount is so large that it is announced on chain first. It is paid when the time to object has passed.",
        "金额很大，需要先在链上公告。异议期满后支付。"
    }
    /// A guardian objected to its announcement.
    Vetoed "vetoed" {
        "A guardian vetoed it on chain. Nothing was paid and nothing will be: ask the operator, then submit again with a new idempotency key.",
        "守护者已在链上否决。没有付款，以后也不会付款：请联系运营方，之后使用新的幂等键重新提交。"
    }
    /// It was accepted and is judged next.
    AwaitsPolicy "awaits_policy" {
        "It is accepted and checked next.",
        "已受理，即将检查。"
    }
    /// It waits for a batch to close.
    AwaitsBatch "awaits_batch" {
        "It waits for others to share a transaction with. It goes with the next batch.",
        "正在等待与其他提现合并为一笔交易，将随下一批次发出。"
    }
    /// Its batch waits for its lane and numbers.
    AwaitsFunding "awaits_funding" {
        "Its batch is prepared and gets its place next.",
        "所在批次已准备好，即将排定位置。"
    }
    /// Its batch is signed next.
    AwaitsSigning "awaits_signing" {
        "Its payment is signed and sent next.",
        "付款即将签名并发送。"
    }
    /// Its transaction is sent and in no block yet.
    AwaitsBlock "awaits_block" {
        "Its payment is sent. It waits for a block of the chain; the fee is raised by itself if that takes long.",
        "付款已发送，正在等待打包。等待过久时会自动提高费用。"
    }
    /// Its transaction is in a block that is not final yet.
    AwaitsFinality "awaits_finality" {
        "Its payment is in a block. It is done when the chain calls that block final.",
        "付款已进入区块。该区块被链确认为最终后即完成。"
    }
}

impl Code {
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.as_str() == text)
    }

    /// Whether it waits for people: to sign it, or to object.
    pub fn is_for_people(self) -> bool {
        matches!(self, Self::AwaitsReview | Self::AwaitsAnnouncement)
    }

    /// Whether a person gave it, with words of his own.
    pub fn is_by_a_person(self) -> bool {
        matches!(self, Self::RejectedInReview | Self::Vetoed)
    }

    /// The code that a batch's reason begins with: `paused`, or `paused: until ...`.
    pub fn of_reason(text: &str) -> Option<Self> {
        Self::parse(text.split(':').next().unwrap_or_default())
    }
}

/// What happens next, at a moment that is given beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    IsChecked,
    PaidOrReleased,
    IsRejected,
    BatchCloses,
    VaultLetsPass,
    TriedAgain,
    FeeRises,
    OfferedAgain,
    Payable,
    IsAnnounced,
    IsSigned,
    BecomesFinal,
}

impl Next {
    #[cfg(test)]
    const ALL: [Self; 12] = [
        Self::IsChecked,
        Self::PaidOrReleased,
        Self::IsRejected,
        Self::BatchCloses,
        Self::VaultLetsPass,
        Self::TriedAgain,
        Self::FeeRises,
        Self::OfferedAgain,
        Self::Payable,
        Self::IsAnnounced,
        Self::IsSigned,
        Self::BecomesFinal,
    ];

    /// Whether nothing can be paid before the moment.
    pub fn is_earliest(self) -> bool {
        matches!(self, Self::VaultLetsPass | Self::TriedAgain | Self::OfferedAgain | Self::Payable)
    }

    /// The end of a sentence that begins with the moment.
    pub fn words(self, language: Language) -> &'static str {
        let (en, zh) = match self {
            Self::IsChecked => ("it is checked", "进行检查"),
            Self::PaidOrReleased => {
                ("it is paid or released, whatever the fee is by then", "无论届时费用多少，都会支付或放行")
            }
            Self::IsRejected => {
                ("it is rejected, unless the float covers it before", "若余额届时仍不足，将被拒绝")
            }
            Self::BatchCloses => ("its batch closes", "所在批次截止"),
            Self::VaultLetsPass => {
                ("the vault lets it pass, if nothing else changes", "若无其他变化，金库将放行")
            }
            Self::TriedAgain => ("it is tried again", "再次尝试"),
            Self::FeeRises => {
                ("a higher fee is offered, unless a block holds it before", "若仍未进入区块，将提高费用")
            }
            Self::OfferedAgain => (
                "it is offered to the approvers again, unless enough have signed before",
                "若届时签名仍不足，将重新提交审批人",
            ),
            Self::Payable => {
                ("it is payable, unless a guardian vetoes it before", "若守护者未否决，届时即可支付")
            }
            Self::IsAnnounced => ("it is announced on chain", "在链上公告"),
            Self::IsSigned => ("its batch is signed and sent", "所在批次签名并发送"),
            Self::BecomesFinal => {
                ("its block is final, as the last ones were", "若与近期相同，区块将最终确认")
            }
        };
        match language {
            Language::En => en,
            Language::Zh => zh,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_sentence_in_both_languages() {
        for code in Code::ALL.iter().copied() {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(Code::of_reason(&format!("{code}: more")), Some(code));
            let (en, zh) = (code.sentence(Language::En), code.sentence(Language::Zh));
            assert!(en.is_ascii() && en.ends_with('.'), "{code}: {en}");
            assert!(zh.ends_with('。') && zh.chars().any(|c| c > '\u{4e00}'), "{code}: {zh}");
            let same =
                |other: &&Code| other.sentence(Language::Zh) == zh || other.sentence(Language::En) == en;
            assert_eq!(Code::ALL.iter().filter(same).count(), 1, "{code} says what another says");
        }
        assert_eq!(Code::of_reason("something else"), None);
        for next in Next::ALL {
            let (en, zh) = (next.words(Language::En), next.words(Language::Zh));
            assert!(en.is_ascii() && zh.chars().any(|c| c > '\u{4e00}'), "{next:?}: {en}, {zh}");
        }
    }
}
