//! The app as a whole: two kinds of one name, or routes that cannot be told apart, are noticed before they are deployed.

#[test]
fn nothing_in_the_app_contradicts_the_rest() {
    if let Err(misbuilt) = {{crate}}::app().service() {
        panic!("{misbuilt}");
    }
}
