{#- The mask, a hyphen and the contributor's id: for columns that must stay unique. -#}
{% macro rule__unique(value, owner, type) -%}
    {{ return(adapter.dispatch('rule__unique', 'contributor_deletion')(value, owner)) }}
{%- endmacro %}

{% macro postgres__rule__unique(value, owner) -%}
    case
        when {{ value }} is null then null
        when starts_with({{ value }}, {{ mask_value() }} || '-') and {{ owner }} is null then {{ value }}
        else {{ mask_value() }} || coalesce('-' || {{ owner }}, '')
    end
{%- endmacro %}

{% macro clickhouse__rule__unique(value, owner) -%}
    multiIf(
        {{ value }} is null, {{ value }},
        {{ subject_attribute('contributor_id', owner) }} = '' and startsWith({{ value }}, concat({{ mask_value() }}, '-')), {{ value }},
        {{ subject_attribute('contributor_id', owner) }} = '', {{ mask_value() }},
        concat({{ mask_value() }}, '-', {{ subject_attribute('contributor_id', owner) }})
    )
{%- endmacro %}
