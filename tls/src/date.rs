//! Dates as people read them.

const DAY_S: i64 = 86_400;

/// `2026-11-22 05:34 UTC`, of seconds since 1970.
pub fn date(unix_s: i64) -> String {
    let (year, month, day) = civil(unix_s.div_euclid(DAY_S));
    let minute = unix_s.rem_euclid(DAY_S) / 60;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02} UTC",
        minute / 60,
        minute % 60
    )
}

/// Days since 1970 of a date of the Gregorian calendar; `month` and `day` count from 1.
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March end with the leap day.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 306 days are from March to the end of December; 719,468 from March of year 0 to 1970.
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

fn civil(days_since_1970: i64) -> (i64, i64, i64) {
    // A guess that is never too late and at most a year too early.
    let mut year = 1970
        + (days_since_1970 - 1)
            .div_euclid(366)
            .min((days_since_1970 - 1).div_euclid(365));
    while days(year + 1, 1, 1) <= days_since_1970 {
        year += 1;
    }
    let mut month = 12;
    while days(year, month, 1) > days_since_1970 {
        month -= 1;
    }
    (year, month, days_since_1970 - days(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_795_325_640), "2026-11-22 05:34 UTC");
        assert_eq!(date(-1), "1969-12-31 23:59 UTC");
        assert_eq!(date(4_107_542_399), "2100-02-28 23:59 UTC");
        assert_eq!(date(4_107_542_400), "2100-03-01 00:00 UTC");
    }

    #[test]
    fn every_day_of_four_centuries_is_found_again() {
        for day in days(1900, 1, 1)..days(2301, 1, 1) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
            assert!((1..=31).contains(&of_month));
        }
    }
}
