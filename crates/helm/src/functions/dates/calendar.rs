//! The Gregorian calendar, into both directions without end, as Go reckons it.

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// Seconds from the year -292277022400, where Go begins to count, to 1970.
const ABSOLUTE: u64 = 9_223_372_028_741_760_000;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A day and a time of day, without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: i64,
    /// 1 to 31.
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    /// 0 is Sunday.
    pub(super) weekday: i64,
    /// 1 to 366.
    pub(super) year_day: i64,
}

impl Civil {
    /// The day and time of so many seconds after 1970.
    pub(super) fn of(seconds: i64) -> Self {
        // Go counts in unsigned seconds; times that these cannot hold come out as others.
        let absolute = seconds.cast_unsigned().wrapping_add(ABSOLUTE);
        let seconds = i128::from(absolute) - i128::from(ABSOLUTE);
        let days = i64::try_from(seconds.div_euclid(i128::from(DAY))).unwrap_or_default();
        let rest = i64::try_from(seconds.rem_euclid(i128::from(DAY))).unwrap_or_default();
        let (year, month, day) = date_of(days);
        Self {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: (days + 4).rem_euclid(7),
            year_day: days - days_before(year, 1, 1) + 1,
        }
    }

    /// The name of the month.
    pub(super) fn month_name(&self) -> &'static str {
        usize::try_from(self.month - 1).ok().and_then(|month| MONTHS.get(month)).copied().unwrap_or_default()
    }

    /// The name of the day of the week.
    pub(super) fn weekday_name(&self) -> &'static str {
        usize::try_from(self.weekday).ok().and_then(|day| WEEKDAYS.get(day)).copied().unwrap_or_default()
    }
}

/// Year, month and day of so many days after 1970. Years begin in March here, so that a leap day comes last.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days from 1970 to a day. Months and days may lie outside of their year and month.
pub(super) fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = year.wrapping_add((month - 1).div_euclid(12));
    let month = (month - 1).rem_euclid(12) + 1;
    let year = if month <= 2 { year.wrapping_sub(1) } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era.wrapping_mul(146_097).wrapping_add(of_era - 719_468).wrapping_add(day - 1)
}

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The days of a month.
pub(super) fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
