//! One description of a message for both directions.

/// Declares structs of messages: each field once, with its type and the versions that have it.
///
/// ```text
/// message! {
///     /// What it is.
///     pub struct Name {
///         /// What it is.
///         plain: i32, 0..;                       // in every version
///         /// What it is.
///         later: i64, 3.., default -1;           // what it is where the version has it not
///         /// What it is.
///         text: Option<Arc<str>>, 0.., form 2..; // the later form of its type (here: null) from 2 on
///         /// What it is.
///         told: bool, 4.., strict "why";         // a version without it cannot say another value than the default
///     }
///     tagged {
///         /// What it is.
///         1 => cluster: Option<Arc<str>>, 12..;  // by its tag; left out if it is the default
///     }
/// }
/// ```
///
/// Fields are read and written in the order in which they stand; an older version leaves out some. All
/// structs end with tagged fields in the flexible versions of their message, whether they have any or not.
macro_rules! message {
    ($(
        $(#[$doc:meta])*
        pub struct $name:ident {
            $(
                $(#[$field_doc:meta])*
                $field:ident : $type:ty, $versions:expr
                    $(, default $default:expr)?
                    $(, form $form:expr)?
                    $(, strict $strict:literal)?;
            )*
        }
        $(tagged {
            $(
                $(#[$tag_doc:meta])*
                $tag:literal => $tag_field:ident : $tag_type:ty, $tag_versions:expr $(, default $tag_default:expr)?;
            )*
        })?
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)*
                $($($(#[$tag_doc])* pub $tag_field: $tag_type,)*)?
            }

            impl Default for $name {
                fn default() -> Self {
                    Self {
                        $($field: $crate::codec::message!(@default $($default)?),)*
                        $($($tag_field: $crate::codec::message!(@default $($tag_default)?),)*)?
                    }
                }
            }

            impl $crate::codec::Field for $name {
                #[allow(unused_variables, unused_mut, reason = "a struct may have no field that depends on the version, or no tagged one")]
                fn read(
                    decoder: &mut $crate::codec::Decoder<'_>,
                    _form: bool,
                ) -> Result<Self, $crate::codec::DecodeError> {
                    let version = decoder.version();
                    $(
                        let $field: $type = if ($versions).contains(&version) {
                            $crate::codec::Field::read(decoder, $crate::codec::message!(@form version $($form)?))?
                        } else {
                            $crate::codec::message!(@default $($default)?)
                        };
                    )*
                    $($(let mut $tag_field: $tag_type = $crate::codec::message!(@default $($tag_default)?);)*)?
                    decoder.tags(|tag, field| match tag {
                        $($(
                            $tag if ($tag_versions).contains(&version) => {
                                $tag_field = $crate::codec::Field::read(field, true)?;
                                Ok(true)
                            }
                        )*)?
                        _ => Ok(false),
                    })?;
                    Ok(Self { $($field,)* $($($tag_field,)*)? })
                }

                #[allow(unused_variables, unused_mut, reason = "a struct may have no field that depends on the version, or no tagged one")]
                fn write(&self, encoder: &mut $crate::codec::Encoder, _form: bool) {
                    let version = encoder.version();
                    $(
                        if ($versions).contains(&version) {
                            $crate::codec::Field::write(
                                &self.$field,
                                encoder,
                                $crate::codec::message!(@form version $($form)?),
                            );
                        } else {
                            $crate::codec::message!(@strict self.$field, $type, encoder, ($($default)?) $($strict)?);
                        }
                    )*
                    let mut tags = $crate::codec::Tags::default();
                    $($(
                        let default: $tag_type = $crate::codec::message!(@default $($tag_default)?);
                        if ($tag_versions).contains(&version) && self.$tag_field != default {
                            tags.add($tag, encoder, |field| $crate::codec::Field::write(&self.$tag_field, field, true));
                        }
                    )*)?
                    encoder.tags(tags);
                }
            }

            #[cfg(any(test, feature = "testing"))]
            impl $crate::testing::Sample for $name {
                #[allow(unused_variables, reason = "a struct may have no field at all")]
                fn sample(sampler: &mut $crate::testing::Sampler, version: i16, _form: bool) -> Self {
                    Self {
                        $($field: if ($versions).contains(&version) {
                            $crate::testing::Sample::sample(
                                sampler,
                                version,
                                $crate::codec::message!(@form version $($form)?),
                            )
                        } else {
                            $crate::codec::message!(@default $($default)?)
                        },)*
                        $($($tag_field: if ($tag_versions).contains(&version) && sampler.once_in(2) {
                            $crate::testing::Sample::sample(sampler, version, true)
                        } else {
                            $crate::codec::message!(@default $($tag_default)?)
                        },)*)?
                    }
                }
            }
        )*
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    (@form $version:ident) => { true };
    (@form $version:ident $form:expr) => { ($form).contains(&$version) };
    (@strict $value:expr, $type:ty, $encoder:ident, ($($default:expr)?)) => {};
    (@strict $value:expr, $type:ty, $encoder:ident, ($($default:expr)?) $reason:literal) => {
        let default: $type = $crate::codec::message!(@default $($default)?);
        if $value != default {
            $encoder.not_in_version($reason);
        }
    };
}

pub(crate) use message;
