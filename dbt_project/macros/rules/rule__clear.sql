{#- Every value becomes NULL. -#}
{% macro rule__clear(value, owner, type) -%}
    {{ return(adapter.dispatch('rule__clear', 'contributor_deletion')(value)) }}
{%- endmacro %}

{% macro postgres__rule__clear(value) -%} null {%- endmacro %}

{#- A NULL of the value's own type: one without a type can stand in no table. -#}
{% macro clickhouse__rule__clear(value) -%} if(true, null, {{ value }}) {%- endmacro %}
